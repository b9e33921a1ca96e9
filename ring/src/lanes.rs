//! All lanes of a file.

use crate::{FlusherPage, Lane, LanePage, MAX_LANES, Slot};

/// A view of the lanes. Copies share them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lanes<'a> {
    parts: Option<Parts<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Parts<'a> {
    page: &'a LanePage,
    flusher: &'a FlusherPage,
    /// As many of each lane, one lane behind the other.
    slots: &'a [Slot],
    slots_of_each: usize,
}

impl<'a> Lanes<'a> {
    /// Lanes over these slots, `slots_of_each` in each; none at all where there are no slots.
    ///
    /// # Panics
    /// If there would be more than [`MAX_LANES`], or one has not a power of two of slots.
    pub fn new(page: &'a LanePage, flusher: &'a FlusherPage, slots: &'a [Slot], slots_of_each: usize) -> Self {
        if slots.is_empty() {
            return Self::default();
        }
        assert!(slots_of_each.is_power_of_two(), "a lane has a power of two of slots, not {slots_of_each}");
        assert!(slots.len() <= MAX_LANES * slots_of_each, "{} slots are too many for {MAX_LANES} lanes", slots.len());
        Self { parts: Some(Parts { page, flusher, slots, slots_of_each }) }
    }

    /// How many there are.
    #[inline]
    pub fn count(&self) -> usize {
        self.parts.map_or(0, |parts| parts.slots.len() / parts.slots_of_each)
    }

    /// The lane of this index.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<Lane<'a>> {
        let Parts { page, flusher, slots, slots_of_each } = self.parts?;
        let slots = slots.get(index * slots_of_each..(index + 1) * slots_of_each)?;
        Some(Lane::new(index, page.heads.get(index)?, flusher.moved.lanes.get(index)?, slots))
    }

    /// All of them.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = Lane<'a>> {
        (0..self.count()).filter_map(move |index| self.get(index))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{Mover, ProducerPage, ReaderPage, RingWriter, Stage, early::Early, recover::recover, sync::Ordering};

    fn slots(count: usize) -> Vec<Slot> {
        (0..count).map(|_| Slot::default()).collect()
    }

    /// An event of this value at this time.
    fn at(time: u64, value: u64) -> [u64; 7] {
        [time, value, value, value, value, value, value]
    }

    #[test]
    fn a_lane_is_one_threads_until_that_is_gone() {
        let (page, flusher, slots) = (LanePage::default(), FlusherPage::default(), slots(2 * 4));
        let lanes = Lanes::new(&page, &flusher, &slots, 4);
        let take = |thread, is_alive: fn(u32) -> bool| lanes.iter().position(|lane| lane.take(thread, is_alive));
        assert_eq!(take(7, |_| true), Some(0));
        assert_eq!(take(8, |_| true), Some(1));
        assert_eq!(take(9, |_| true), None, "there are no more");
        assert_eq!(take(9, |thread| thread != 8), Some(1), "8 is gone");
        assert_eq!(take(7, |_| true), Some(0), "another thread had our number");
        // It ended in the middle of a push.
        page.heads[0].claimed.store(1, Ordering::Relaxed);
        assert_eq!(take(10, |thread| thread != 7), None);
    }

    #[test]
    fn what_lies_in_several_places_is_moved_by_its_time() {
        let (producers, flusher, reader) = (ProducerPage::default(), FlusherPage::default(), ReaderPage::default());
        let (page, stage_slots, lane_slots, ring_slots) = (LanePage::default(), slots(8), slots(2 * 4), slots(8));
        let stage = Stage::new(&producers, &stage_slots).with_lanes(Lanes::new(&page, &flusher, &lane_slots, 4));
        let lane = |index| stage.lanes().get(index).unwrap();
        let mut mover = Mover::new(stage, RingWriter::new(&flusher, &reader, &ring_slots));
        // In the shared stage the later number may have the earlier time.
        for (time, value) in [(10, 1), (40, 6), (30, 7)] {
            stage.push(&at(time, value)).unwrap();
        }
        for (index, time, value) in [(0, 11, 2), (1, 12, 3), (0, 13, 4), (1, 14, 5)] {
            lane(index).push(&at(time, value)).unwrap();
        }
        assert_eq!((stage.reported(), mover.waiting()), (7, 7));
        let is_moved = stage.watch();
        assert!(!is_moved());
        assert_eq!(mover.move_up_to(stage.claimed()).records, 7);
        assert!(is_moved() && mover.reached_all());
        let in_ring = ring_slots.iter().map(|slot| slot.copy()[2]).collect::<Vec<_>>();
        assert_eq!(in_ring, [1, 2, 3, 4, 5, 6, 7, 0]);
        // The ring has room for one more; the rest is found after a death, in the same order.
        lane(1).push(&at(50, 8)).unwrap();
        lane(0).push(&at(51, 9)).unwrap();
        stage.push(&at(52, 10)).unwrap();
        lane(1).push(&at(53, 11)).unwrap();
        assert!(mover.move_up_to(stage.claimed()).ring_full);
        assert_eq!((mover.waiting(), ring_slots[7].copy()[2]), (3, 8));
        page.heads[1].claimed.fetch_add(1, Ordering::Relaxed);
        let mut left = Vec::new();
        let recovery = recover(stage, &[], &Default::default(), &mut left);
        assert_eq!(left.iter().map(|record| record.words[2]).collect::<Vec<_>>(), [9, 10, 11]);
        assert_eq!((recovery.from_stage, recovery.half_written, recovery.impossible), (3, 1, 0));
        // A count that cannot be is damage, and nothing of that lane is taken.
        page.heads[0].published.store(99, Ordering::Relaxed);
        left.clear();
        let recovery = recover(stage, &[], &Default::default(), &mut left);
        assert_eq!((left.len(), recovery.half_written, recovery.impossible), (2, 1, 1));
    }

    #[test]
    fn nobody_looks_past_a_record_that_is_still_being_written() {
        let (producers, flusher) = (ProducerPage::default(), FlusherPage::default());
        let (page, stage_slots, lane_slots) = (LanePage::default(), slots(8), slots(4));
        let stage = Stage::new(&producers, &stage_slots).with_lanes(Lanes::new(&page, &flusher, &lane_slots, 4));
        // The first is claimed, and not written; what came by the lane may know the second.
        stage.push(&at(10, 1)).unwrap();
        stage.push(&at(11, 2)).unwrap();
        stage.slot(0).words[0].store(0, Ordering::Relaxed);
        let (mut early, mut out) = (Early::default(), Vec::new());
        stage.lanes().get(0).unwrap().push(&at(12, 3)).unwrap();
        assert_eq!(early.look(stage, &flusher, 0, &mut out, 8), 0);
        stage.slot(0).words[0].store(1, Ordering::Relaxed);
        assert_eq!(early.look(stage, &flusher, 0, &mut out, 8), 3);
        assert_eq!(out.iter().map(|record| record.words[2]).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_full_lane_refuses_and_goes_on_when_there_is_room() {
        let (page, flusher, slots) = (LanePage::default(), FlusherPage::default(), slots(2));
        let lane = Lanes::new(&page, &flusher, &slots, 2).get(0).unwrap();
        assert_eq!([1, 2, 3].map(|value| lane.push(&at(value, value)).ok()), [Some(1), Some(2), None]);
        lane.set_moved(1);
        assert_eq!([3, 4].map(|value| lane.push(&at(value, value)).ok()), [Some(3), None]);
    }
}
