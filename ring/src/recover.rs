//! After a death: what the ring lacks lies in the stage.

use std::ops::Range;

use ttmem_wire::Record;

use crate::{
    MAX_LANES, Stage,
    cut::Cut,
    early::Early,
    merge::{Parts, Shared, merge},
    stage::SlotState,
};

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

/// Appends what stage and lanes still hold, in an order that its threads could not contradict, but for `in_ring`: the numbers of
/// the ring's last records, which a process that died in mid-batch has left in both places; and for what the reader has read `early`.
/// The producer must be dead.
pub(crate) fn recover(stage: Stage<'_>, in_ring: &[u64], early: &Early, out: &mut Vec<Record>) -> Recovery {
    let mut recovery = Recovery::default();
    let (mut next, mut ends) = ([0; MAX_LANES], [0; MAX_LANES]);
    for ((lane, next), end) in stage.lanes().iter().zip(&mut next).zip(&mut ends) {
        // In this order, so that the models, whose processes go on, see what a death at this moment would leave.
        let (claimed, published, moved) = (lane.claimed(), lane.published(), lane.moved());
        let waiting = published.checked_sub(moved).filter(|&waiting| waiting <= lane.capacity() as u64);
        if waiting.is_some() && claimed.saturating_sub(published) <= 1 {
            recovery.half_written += claimed.saturating_sub(published);
            (*next, *end) = (moved, published);
        } else {
            recovery.impossible += 1;
        }
    }
    let cut = Cut::all(stage.claimed(), ends);
    let numbers = cut.shared.end.saturating_sub(stage.capacity() as u64)..cut.shared.end;
    let mut shared = Left { stage, numbers, recovery };
    let mut parts = Parts::new(stage, &next, &cut);
    let mut from_stage = 0;
    merge(stage, &mut shared, &mut parts, |_, words| {
        if !early.has(words[0]) && !in_ring.contains(&words[0]) {
            out.push(Record { words });
            from_stage += 1;
        }
        true
    });
    Recovery { from_stage, ..shared.recovery }
}

/// What the shared stage of a dead process holds.
struct Left<'a> {
    stage: Stage<'a>,
    numbers: Range<u64>,
    recovery: Recovery,
}

impl Shared for Left<'_> {
    fn peek(&mut self) -> Option<u64> {
        while !self.numbers.is_empty() {
            match self.stage.state(self.numbers.start) {
                SlotState::Published => return Some(self.numbers.start),
                SlotState::Unpublished => self.recovery.half_written += 1,
                SlotState::Moved => {}
                SlotState::Impossible => self.recovery.impossible += 1,
            }
            self.numbers.start += 1;
        }
        None
    }

    fn pass(&mut self) {
        self.numbers.start += 1;
    }
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
        let recovery = recover(stage, &[0, 1], &Early::default(), &mut out);
        assert_eq!(recovery, Recovery { from_stage: 1, half_written: 1, impossible: 0 });
        assert_eq!(out.iter().map(|record| record.words[..2].to_vec()).collect::<Vec<_>>(), [[2, 2]]);
        slots[1].words[0].store(99, crate::sync::Ordering::Relaxed);
        assert_eq!(recover(stage, &[], &Early::default(), &mut out).impossible, 1);
    }
}
