//! Stage to ring: the flusher's work, without its thread.

use std::ops::Range;

use ttmem_wire::Record;

use crate::{
    MAX_LANES, RingWriter, Stage,
    cut::Cut,
    fault_at,
    merge::{Origin, Parts, Shared, merge},
    stage::SlotState,
    sync::AtomicU32,
};

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
    out: Out<'a>,
    shared: SharedPart,
    /// Of each lane everything below was moved.
    lanes: [u64; MAX_LANES],
}

/// What the mover knows of the shared stage.
#[derive(Debug, Default)]
struct SharedPart {
    /// Everything below was moved, but for `holes`.
    next: u64,
    /// Claimed and passed over, because their threads were still writing; ascending.
    holes: Vec<u64>,
    /// Room for those of the last round while they are looked at.
    looked_at: Vec<u64>,
}

/// The ring, and what lies there and has not been shown yet.
#[derive(Debug)]
struct Out<'a> {
    ring: RingWriter<'a>,
    /// Numbers of the shared stage that were put into the ring, and not yet freed there.
    batch: Vec<u64>,
    /// Records that were put, with those of lanes.
    put: usize,
    batch_limit: usize,
}

impl<'a> Mover<'a> {
    /// The mover of an unused stage and an empty ring.
    pub fn new(stage: Stage<'a>, ring: RingWriter<'a>) -> Self {
        let batch_limit = batch_limit(ring.capacity());
        Self {
            stage,
            out: Out { ring, batch: Vec::with_capacity(batch_limit), put: 0, batch_limit },
            shared: SharedPart { next: 0, holes: Vec::with_capacity(64), looked_at: Vec::with_capacity(64) },
            lanes: [0; MAX_LANES],
        }
    }

    /// Moves what is published below `limit`, which must have been read (from a token, or from [`Stage::claimed`]) before
    /// this call; and what lies in lanes.
    ///
    /// That order is what keeps the ring's order true: if event X had returned before event Y began, then whoever knows Y's
    /// number sees X published. So X is found here before Y, as a hole or in its place. For lanes see `cut.rs`.
    pub fn move_up_to(&mut self, limit: u64) -> Moved {
        let cut = self.stage.cut(limit.max(self.shared.next), &self.lanes);
        let mut parts = Parts::new(self.stage, &self.lanes, &cut);
        let Self { stage, out, shared, lanes } = self;
        let stage = *stage;
        let mut moved = Moved::default();
        let mut source = Source::new(stage, shared, &cut);
        merge(stage, &mut source, &mut parts, |origin, words| {
            if !out.ring.has_room() {
                moved.ring_full = true;
                return false;
            }
            out.ring.put(&words);
            fault_at("put");
            match origin {
                Origin::Shared(sequence) => out.batch.push(sequence),
                Origin::Lane(index, number) => lanes[index] = number + 1,
            }
            out.put += 1;
            moved.records += 1;
            if out.put == out.batch_limit {
                out.commit(stage, lanes);
            }
            true
        });
        source.finish();
        out.commit(stage, lanes);
        out.ring.note_moved(shared.all_below());
        moved
    }

    /// Whether every number below `limit` is in the ring.
    pub fn has_moved(&self, limit: u64) -> bool {
        self.shared.all_below() >= limit
    }

    /// Whether all that was published by now was looked at: it is in the ring, or a hole.
    pub fn reached_all(&self) -> bool {
        self.waiting() == 0
    }

    /// How many records were not looked at yet.
    pub fn waiting(&self) -> u64 {
        let of_shared = self.stage.claimed().saturating_sub(self.shared.next);
        let lanes = self.stage.lanes().iter().zip(&self.lanes);
        lanes.fold(of_shared, |sum, (lane, &next)| sum.saturating_add(lane.published().saturating_sub(next)))
    }

    /// After a round that moved something, and once the flusher's word says [`crate::NAPPING_LONG`]: the futex word of the reader
    /// that waits for it, if one does. It is to be woken, see [`crate::wake`].
    pub fn bell_to_ring(&self) -> Option<&AtomicU32> {
        self.out.ring.bell_to_ring()
    }

    /// Whether a reader drains that looks into the stage itself where the flusher naps for long.
    pub fn reader_looks(&self) -> bool {
        self.out.ring.reader_looks()
    }

    /// Records ever put into the ring.
    pub fn head(&self) -> u64 {
        self.out.ring.head()
    }

    /// Records of the ring that nobody has taken out; `None` if the tail is where no tail can be.
    pub fn unread(&self) -> Option<Range<u64>> {
        self.out.ring.unread()
    }

    /// Appends the records of `range`, which must be unread, to `out`.
    pub fn copy(&self, range: Range<u64>, out: &mut Vec<Record>) {
        out.extend(range.map(|at| Record { words: self.out.ring.record(at) }));
    }

    /// Gives the room of all records below `tail` back, in the place of a reader. For the holder of the lock, once they lie
    /// in a snapshot that has its name.
    pub fn release(&mut self, tail: u64) {
        self.out.ring.release(tail);
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> usize {
        self.out.ring.capacity()
    }

    /// Whether records were passed over and wait.
    pub fn has_holes(&self) -> bool {
        !self.shared.holes.is_empty()
    }
}

impl Out<'_> {
    fn commit(&mut self, stage: Stage<'_>, lanes: &[u64; MAX_LANES]) {
        if self.put == 0 {
            return;
        }
        self.ring.publish();
        fault_at("shown");
        for sequence in self.batch.drain(..) {
            stage.free(sequence);
            fault_at("freed");
        }
        for (lane, &next) in stage.lanes().iter().zip(lanes) {
            if lane.moved() != next {
                lane.set_moved(next);
                fault_at("freed");
            }
        }
        self.put = 0;
    }
}

impl SharedPart {
    /// Every number below this is in the ring.
    fn all_below(&self) -> u64 {
        self.holes.first().copied().unwrap_or(self.next)
    }
}

/// What one round finds in the shared stage: holes that were filled, and then what follows.
struct Source<'a, 'b> {
    stage: Stage<'a>,
    part: &'b mut SharedPart,
    cut: &'b Cut,
    /// Of the holes of the last round, those that were gone over. While there are more, no number that follows is looked at.
    over: usize,
}

impl<'a, 'b> Source<'a, 'b> {
    fn new(stage: Stage<'a>, part: &'b mut SharedPart, cut: &'b Cut) -> Self {
        std::mem::swap(&mut part.holes, &mut part.looked_at);
        part.holes.clear();
        Self { stage, part, cut, over: 0 }
    }

    /// What was not gone over stays a hole. (No further ones were found then.)
    fn finish(self) {
        let SharedPart { holes, looked_at, .. } = self.part;
        holes.extend_from_slice(&looked_at[self.over..]);
    }

    fn is_hole(&mut self, number: u64) -> bool {
        let is_hole = self.stage.state(number) == SlotState::Unpublished;
        if is_hole {
            self.part.holes.push(number);
        }
        is_hole
    }
}

impl Shared for Source<'_, '_> {
    #[inline]
    fn peek(&mut self) -> Option<u64> {
        while let Some(&hole) = self.part.looked_at.get(self.over) {
            if !self.is_hole(hole) {
                return Some(hole);
            }
            self.over += 1;
        }
        while self.part.next < self.cut.shared.end && self.is_hole(self.part.next) {
            self.part.next += 1;
        }
        let (stage, next) = (self.stage, self.part.next);
        self.cut.shared.takes(next, self.cut.newest, || stage.slot(next).stamp()).then_some(next)
    }

    #[inline]
    fn pass(&mut self) {
        if self.over < self.part.looked_at.len() {
            self.over += 1;
        } else {
            self.part.next += 1;
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
        mover.out.ring.put(&stage.slot(4).copy_payload(4));
        assert_eq!(flusher.head(), 4);
        let recent = batch_limit(4) as u64;
        let in_ring: Vec<u64> = (4 - recent..4).map(|at| ring_slots[at as usize & 3].copy()[0]).collect();
        let mut found = Vec::new();
        crate::recover::recover(stage, &in_ring, &crate::early::Early::default(), &mut found);
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
