//! Records that a draining reader has read in the stage, before the flusher put them into the ring.
//!
//! Where few events come, waking up costs more than the work. So the flusher naps long then, and the reader looks into the
//! stage itself. It moves nothing there: the records come by the ring later all the same, and are dropped then. So whatever is
//! written down beside the ring, whoever dies, and whoever comes next has to do with the ring alone.
//!
//! The reader takes, of the shared stage and of each lane, the records that follow on all that it has, as far as a cut goes
//! (`cut.rs`), and such that nothing is passed over: so this is an order that no thread can contradict.

use std::ops::Range;

use ttmem_wire::Record;

use crate::{
    FlusherPage, MAX_LANES, Stage,
    cut::Cut,
    lane::place_of,
    merge::{Parts, Shared, merge},
    stage::SlotState,
    sync::{Ordering, fence},
};

/// What one reader has read early. Positions are those of its ring.
#[derive(Debug, Default)]
pub(crate) struct Early {
    /// What it has, by the ring or early, while some of it is still to come by the ring: all numbers below these, of the shared
    /// stage and of each lane.
    shared: u64,
    lanes: [u64; MAX_LANES],
    /// How many of them are to come by the ring.
    to_come: u64,
    /// Meanwhile one came that does not follow on the others.
    lost_track: bool,
}

impl Early {
    /// Records came by the ring: those behind the first `before` of `out`. What was read early is taken out again.
    #[inline]
    pub(crate) fn meet(&mut self, out: &mut Vec<Record>, before: usize) {
        if self.is_ahead() {
            self.drop_known(out, before);
        }
    }

    fn drop_known(&mut self, out: &mut Vec<Record>, before: usize) {
        let mut kept = before;
        for at in before..out.len() {
            let number = out[at].words[0];
            if self.has(number) {
                self.to_come -= 1;
            } else {
                self.note(number);
                out.swap(kept, at);
                kept += 1;
            }
        }
        out.truncate(kept);
    }

    /// This one came by the ring, and was not read early.
    fn note(&mut self, number: u64) {
        match self.next_of(number) {
            Some((next, number)) if *next == number => *next += 1,
            _ => self.lost_track = true,
        }
    }

    /// What follows on what it has in the place that this number is of, and the number there.
    fn next_of(&mut self, number: u64) -> Option<(&mut u64, u64)> {
        let (lane, number) = place_of(number);
        let next = match lane {
            None => &mut self.shared,
            Some(index) => self.lanes.get_mut(index)?,
        };
        Some((next, number))
    }

    /// Whether records that were read early are still to come by the ring: what the reader has is more than what the ring
    /// gave it.
    pub(crate) fn is_ahead(&self) -> bool {
        self.to_come > 0
    }

    /// How many records that were read early are still to come by the ring.
    pub(crate) fn to_come(&self) -> u64 {
        self.to_come
    }

    /// Whether the reader has the record of this number, which is to come by the ring, or lies in the stage of a dead process.
    pub(crate) fn has(&self, number: u64) -> bool {
        let (lane, number) = place_of(number);
        let next = lane.map_or(Some(self.shared), |index| self.lanes.get(index).copied());
        self.is_ahead() && next.is_some_and(|next| number < next)
    }

    /// Appends up to `max` records of the stage that follow on what the reader has, which has read the ring up to `position`;
    /// returns how many. None where a number was passed over.
    pub(crate) fn look(
        &mut self,
        stage: Stage<'_>,
        flusher: &FlusherPage,
        position: u64,
        out: &mut Vec<Record>,
        max: usize,
    ) -> usize {
        if !self.is_ahead() && !self.begin(flusher, position) || self.lost_track {
            return 0;
        }
        let before = out.len();
        let cut = stage.cut(stage.claimed(), &self.lanes);
        let Some(mut shared) = Follow::new(stage, self.shared, &cut, &self.lanes) else { return 0 };
        let mut parts = Parts::new(stage, &self.lanes, &cut);
        merge(stage, &mut shared, &mut parts, |_, words| {
            let has_room = out.len() - before < max;
            if has_room {
                out.push(Record { words });
            }
            has_room
        });
        // SYNC (M): pairs with the Release fences in the two `push`.
        fence(Ordering::Acquire);
        if self.was_overtaken(stage, &out[before..]) {
            out.truncate(before);
        }
        for record in &out[before..] {
            self.note(record.words[0]);
        }
        let count = out.len() - before;
        self.to_come += count as u64;
        count
    }

    /// Finds out what the reader has that has read the ring up to `position`, and nothing early; false where that can't be told.
    fn begin(&mut self, flusher: &FlusherPage, position: u64) -> bool {
        // SYNC (O), (A): pair with the Release stores in `note_moved` and `set_moved`.
        self.shared = flusher.moved.shared.load(Ordering::Acquire);
        for (next, moved) in self.lanes.iter_mut().zip(&flusher.moved.lanes) {
            *next = moved.load(Ordering::Acquire);
        }
        self.lost_track = false;
        // Each of these words is behind the head, if anything. So if nothing lies in the ring that the reader has not read, and they
        // are as many together as it has read, they tell what that is; and no number was passed over.
        let all = self.lanes.iter().fold(self.shared, |sum, &next| sum.wrapping_add(next));
        flusher.head() == position && all == position
    }

    /// Whether the flusher has moved anything on that was to be copied here: what was copied may be of the next lap, and lies in the
    /// ring.
    fn was_overtaken(&self, stage: Stage<'_>, copied: &[Record]) -> bool {
        let mut lanes = stage.lanes().iter().zip(&self.lanes);
        let shared = copied.iter().map(|record| record.words[0]).filter(|&number| place_of(number).0.is_none());
        lanes.any(|(lane, &next)| lane.moved() > next) || { shared }
            .any(|number| stage.state(number) != SlotState::Published)
    }
}

/// The numbers of the shared stage that follow on those that the reader has.
struct Follow<'a> {
    stage: Stage<'a>,
    numbers: Range<u64>,
    cut: &'a Cut,
}

impl<'a> Follow<'a> {
    /// Up to the first that is not published. `None` if there is one, and lanes have something: what lies behind it may have
    /// happened before that.
    fn new(stage: Stage<'a>, next: u64, cut: &'a Cut, lanes: &[u64; MAX_LANES]) -> Option<Self> {
        let mut numbers = next..cut.shared.end;
        // More than a stage has: numbers from nowhere, or it goes round while we look.
        if numbers.end.saturating_sub(numbers.start) > stage.capacity() as u64 {
            return None;
        }
        if let Some(gap) = numbers.clone().find(|&number| stage.state(number) != SlotState::Published) {
            numbers.end = gap;
            if cut.has_more_than(lanes) {
                return None;
            }
        }
        Some(Self { stage, numbers, cut })
    }
}

impl Shared for Follow<'_> {
    fn peek(&mut self) -> Option<u64> {
        let (stage, next) = (self.stage, self.numbers.start);
        let takes =
            !self.numbers.is_empty() && self.cut.shared.takes(next, self.cut.newest, || stage.slot(next).stamp());
        takes.then_some(next)
    }

    fn pass(&mut self) {
        self.numbers.start += 1;
    }
}
