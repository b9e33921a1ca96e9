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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{ProducerPage, Slot};

    #[test]
    fn what_the_ring_has_is_not_taken_again_and_half_written_slots_are_counted() {
        let producers = ProducerPage::default();
        let slots: Vec<Slot> = (0..4).map(|_| Slot::default()).collect();
        let stage = Stage::new(&producers, &slots);
        for value in 0..4 {
            stage.push(&[value; 7]).unwrap();
        }
        // 0 was moved, 1 was put into the ring and not yet freed, 3 was claimed and never published.
        stage.free(0);
        slots[3].words[0].store(0, crate::sync::Ordering::Relaxed);
        let mut out = Vec::new();
        let recovery = recover(stage, &[0, 1], &mut out);
        assert_eq!(recovery, Recovery { from_stage: 1, half_written: 1, impossible: 0 });
        assert_eq!(out.iter().map(|record| record.words[..2].to_vec()).collect::<Vec<_>>(), [[2, 2]]);
        slots[1].words[0].store(99, crate::sync::Ordering::Relaxed);
        assert_eq!(recover(stage, &[], &mut out).impossible, 1);
    }
}
