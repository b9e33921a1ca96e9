//! Records that a draining reader has read in the stage, before the flusher put them into the ring.
//!
//! Where few events come, waking up costs more than the work. So the flusher naps long then, and the reader looks into the
//! stage itself. It moves nothing there: the records come by the ring later all the same, and are dropped then. So whatever is
//! written down beside the ring, whoever dies, and whoever comes next has to do with the ring alone.
//!
//! The reader takes the records that follow by number on all that it has, up to the first that is not published: who had
//! returned before another event began has a lower number, so this is an order that no thread can contradict.

use std::ops::Range;

use ttmem_wire::Record;

use crate::{FlusherPage, Stage};

/// What one reader has read early. Positions are those of its ring.
#[derive(Debug, Default)]
pub(crate) struct Early {
    /// Numbers that were read in the stage, while some of them are still to come by the ring.
    numbers: Range<u64>,
    /// How many those are.
    to_come: u64,
    /// Above all numbers that came since it began.
    above: u64,
    /// Whether those that came before are known to be lower than all that are still to come.
    is_sure: bool,
}

impl Early {
    /// A reader that begins at this position of the ring.
    pub(crate) fn new(position: u64) -> Self {
        Self { is_sure: position == 0, ..Self::default() }
    }

    /// Records came by the ring: those behind the first `before` of `out`. What was read early is taken out again.
    #[inline]
    pub(crate) fn meet(&mut self, out: &mut Vec<Record>, before: usize) {
        self.above =
            out[before..].iter().fold(self.above, |above, record| above.max(record.words[0].saturating_add(1)));
        if self.is_ahead() {
            self.drop_known(out, before);
        }
    }

    fn drop_known(&mut self, out: &mut Vec<Record>, before: usize) {
        let mut kept = before;
        for at in before..out.len() {
            if self.numbers.contains(&out[at].words[0]) {
                self.to_come = self.to_come.saturating_sub(1);
            } else {
                out.swap(kept, at);
                kept += 1;
            }
        }
        out.truncate(kept);
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

    /// Whether this number was read early. For the stage of a dead process.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.is_ahead() && self.numbers.contains(&number)
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
        let Some(next) = position.checked_add(self.to_come) else { return 0 };
        if !self.has_all_below(next, stage, flusher, position) {
            return 0;
        }
        let before = out.len();
        let numbers = next..next.saturating_add(max as u64);
        out.extend(numbers.map_while(|number| stage.look(number)).map(|words| Record { words }));
        let count = out.len() - before;
        if count > 0 {
            let first = if self.is_ahead() { self.numbers.start } else { next };
            self.above = next + count as u64;
            self.numbers = first..self.above;
            self.to_come += count as u64;
        }
        count
    }

    /// Whether what the reader has are the numbers below `next`, which is how many they are: no two are the same, so it is
    /// enough that none is higher. (Then it has none that lies in the stage behind them.)
    fn has_all_below(&mut self, next: u64, stage: Stage<'_>, flusher: &FlusherPage, position: u64) -> bool {
        if self.above > next {
            return false;
        }
        if !self.is_sure {
            // It came late. All numbers below have left the stage, so they are in the ring; and if there is no more in the ring
            // than that many records, which are all read, they are those.
            // SYNC (A): pairs with the Release store in `Stage::free`, which comes behind the head that has the record.
            self.is_sure = stage.all_moved_below(next) && flusher.head() == position;
        }
        self.is_sure
    }
}
