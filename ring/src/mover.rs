//! Stage to ring: the flusher's work, without its thread.

use std::ops::Range;

use ttmem_wire::Record;

use crate::{RingWriter, Stage, fault_at, stage::SlotState, sync::AtomicU32};

/// Records that are shown to the reader and freed in the stage together. A process that dies between the two leaves at
/// most this many records in both places; recovery looks at as many to drop the doubles.
pub const MAX_BATCH: usize = 256;

/// The same for a ring of this size: at most half of it, since a batch that was not shown yet has overwritten as many of the
/// oldest slots, and recovery must not take what it finds there for records of the ring.
pub(crate) fn batch_limit(capacity: usize) -> usize {
    MAX_BATCH.min(capacity / 2).max(1)
}

/// What one round moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Records that went from the stage into the ring.
    pub records: usize,
    /// The round stopped because the ring had no room.
    pub ring_full: bool,
}

/// Moves published records into the ring, such that whatever happened before something else is put before it.
#[derive(Debug)]
pub struct Mover<'a> {
    stage: Stage<'a>,
    ring: RingWriter<'a>,
    /// Everything below was moved, but for `holes`.
    next: u64,
    /// Claimed and passed over, because their threads were still writing; ascending.
    holes: Vec<u64>,
    /// Put into the ring, not yet freed in the stage.
    batch: Vec<u64>,
    batch_limit: usize,
}

impl<'a> Mover<'a> {
    /// The mover of an unused stage and an empty ring.
    pub fn new(stage: Stage<'a>, ring: RingWriter<'a>) -> Self {
        let batch_limit = batch_limit(ring.capacity());
        Self {
            stage,
            ring,
            next: 0,
            holes: Vec::with_capacity(64),
            batch: Vec::with_capacity(batch_limit),
            batch_limit,
        }
    }

    /// Moves what is published below `limit`, which must have been read (from a token, or from [`Stage::claimed`]) before
    /// this call.
    ///
    /// That order is what keeps the ring's order true: if event X had returned before event Y began, then whoever knows Y's
    /// number sees X published. So X is found here before Y, as a hole or in its place.
    pub fn move_up_to(&mut self, limit: u64) -> Moved {
        let mut moved = Moved::default();
        let mut holes = std::mem::take(&mut self.holes);
        holes.retain(|&sequence| {
            if moved.ring_full || self.stage.state(sequence) == SlotState::Unpublished {
                return true;
            }
            !self.take(sequence, &mut moved)
        });
        while self.next < limit && !moved.ring_full {
            if self.stage.state(self.next) == SlotState::Unpublished {
                holes.push(self.next);
                self.next += 1;
            } else if self.take(self.next, &mut moved) {
                self.next += 1;
            }
        }
        self.holes = holes;
        self.commit();
        moved
    }

    /// Whether every number below `limit` is in the ring.
    pub fn has_moved(&self, limit: u64) -> bool {
        self.next >= limit && self.holes.first().is_none_or(|&hole| hole >= limit)
    }

    /// Whether every number below `limit` was looked at: it is in the ring, or a hole.
    pub fn reached(&self, limit: u64) -> bool {
        self.next >= limit
    }

    /// After a round that moved something: the futex word of the reader that waits for it, if one does. It is to be woken, see
    /// [`crate::wake`].
    pub fn bell_to_ring(&self) -> Option<&AtomicU32> {
        self.ring.bell_to_ring()
    }

    /// Records ever put into the ring.
    pub fn head(&self) -> u64 {
        self.ring.head()
    }

    /// Records of the ring that nobody has taken out; `None` if the tail is where no tail can be.
    pub fn unread(&self) -> Option<Range<u64>> {
        self.ring.unread()
    }

    /// Appends the records of `range`, which must be unread, to `out`.
    pub fn copy(&self, range: Range<u64>, out: &mut Vec<Record>) {
        out.extend(range.map(|at| Record { words: self.ring.record(at) }));
    }

    /// Gives the room of all records below `tail` back, in the place of a reader. For the holder of the lock, once they lie
    /// in a snapshot that has its name.
    pub fn release(&mut self, tail: u64) {
        self.ring.release(tail);
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Whether records were passed over and wait.
    pub fn has_holes(&self) -> bool {
        !self.holes.is_empty()
    }

    #[inline]
    fn take(&mut self, sequence: u64, moved: &mut Moved) -> bool {
        if !self.ring.has_room() {
            moved.ring_full = true;
            return false;
        }
        self.ring.put(&self.stage.slot(sequence).copy_payload(sequence));
        fault_at("put");
        self.batch.push(sequence);
        moved.records += 1;
        if self.batch.len() == self.batch_limit {
            self.commit();
        }
        true
    }

    fn commit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.ring.publish();
        fault_at("shown");
        for sequence in self.batch.drain(..) {
            self.stage.free(sequence);
            fault_at("freed");
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{FlusherPage, PAYLOAD_WORDS, ProducerPage, ReaderPage, Slot, StageFull};

    fn slots(count: usize) -> Vec<Slot> {
        (0..count).map(|_| Slot::default()).collect()
    }

    #[test]
    fn records_arrive_in_order_over_many_laps_and_a_full_stage_says_so() {
        let (producers, flusher, reader) = (ProducerPage::default(), FlusherPage::default(), ReaderPage::default());
        let (stage_slots, ring_slots) = (slots(4), slots(8));
        let stage = Stage::new(&producers, &stage_slots);
        let mut mover = Mover::new(stage, RingWriter::new(&flusher, &reader, &ring_slots));
        let mut sent = 0;
        for round in 0..10 {
            while stage.push(&[sent; PAYLOAD_WORDS]).is_ok() {
                sent += 1;
            }
            assert_eq!(sent, (round + 1) * 4);
            assert_eq!(mover.move_up_to(stage.claimed()), Moved { records: 4, ring_full: false });
            let last = &ring_slots[(sent as usize - 1) % 8];
            assert_eq!(last.copy(), [sent - 1; 8]);
            reader.tail.0.store(mover.head(), crate::sync::Ordering::Release);
        }
    }

    #[test]
    fn a_batch_that_was_not_shown_is_no_part_of_the_ring() {
        let (producers, flusher, reader) = (ProducerPage::default(), FlusherPage::default(), ReaderPage::default());
        let (stage_slots, ring_slots) = (slots(8), slots(4));
        let stage = Stage::new(&producers, &stage_slots);
        let mut mover = Mover::new(stage, RingWriter::new(&flusher, &reader, &ring_slots));
        for n in 0..6 {
            stage.push(&[n; PAYLOAD_WORDS]).unwrap();
        }
        mover.move_up_to(4);
        mover.release(4);
        // The process dies here: 4 is put over 0, and not shown.
        mover.take(4, &mut Moved::default());
        assert_eq!(flusher.head(), 4);
        let recent = batch_limit(4) as u64;
        let in_ring: Vec<u64> = (4 - recent..4).map(|at| ring_slots[at as usize & 3].copy()[0]).collect();
        let mut found = Vec::new();
        crate::recover::recover(stage, &in_ring, &mut found);
        assert_eq!(found.iter().map(|record| record.words[0]).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn a_full_ring_leaves_the_rest_in_the_stage() {
        let (producers, flusher, reader) = (ProducerPage::default(), FlusherPage::default(), ReaderPage::default());
        let (stage_slots, ring_slots) = (slots(8), slots(4));
        let stage = Stage::new(&producers, &stage_slots);
        let mut mover = Mover::new(stage, RingWriter::new(&flusher, &reader, &ring_slots));
        for n in 0..8 {
            stage.push(&[n; PAYLOAD_WORDS]).unwrap();
        }
        assert_eq!(stage.push(&[9; PAYLOAD_WORDS]), Err(StageFull));
        assert_eq!(mover.move_up_to(8), Moved { records: 4, ring_full: true });
        assert!(!mover.has_moved(5));
        reader.tail.0.store(3, crate::sync::Ordering::Release);
        assert_eq!(mover.move_up_to(8), Moved { records: 3, ring_full: true });
        reader.tail.0.store(u64::MAX, crate::sync::Ordering::Release);
        assert_eq!(mover.move_up_to(8), Moved { records: 0, ring_full: true }, "a tail from nowhere is no room");
        reader.tail.0.store(7, crate::sync::Ordering::Release);
        assert_eq!(mover.move_up_to(8), Moved { records: 1, ring_full: false });
        assert!(mover.has_moved(8));
    }
}
