//! After a death: what the ring lacks lies in the stage.

use ttmem_wire::Record;

use crate::{Stage, stage::SlotState};

/// What was found in the stage of a dead process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records that had not reached the ring.
    pub from_stage: u64,
    /// Slots that were claimed and never published: their events never returned to their caller. At most one a thread.
    pub half_written: u64,
    /// Slots in a state that the protocol can't reach: the file was damaged.
    pub impossible: u64,
}

/// Appends what the stage still holds, in sequence order, but for `in_ring`: the numbers of the ring's last records, which
/// a process that died in mid-batch has left in both places. The producer must be dead.
pub(crate) fn recover(stage: Stage<'_>, in_ring: &[u64], out: &mut Vec<Record>) -> Recovery {
    let mut recovery = Recovery::default();
    let claimed = stage.claimed();
    for sequence in claimed.saturating_sub(stage.capacity() as u64)..claimed {
        match stage.state(sequence) {
            SlotState::Published if in_ring.contains(&sequence) => {}
            SlotState::Published => {
                out.push(Record { words: stage.slot(sequence).copy_payload(sequence) });
                recovery.from_stage += 1;
            }
            SlotState::Unpublished => recovery.half_written += 1,
            SlotState::Moved => {}
            SlotState::Impossible => recovery.impossible += 1,
        }
    }
    recovery
}
