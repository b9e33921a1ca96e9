//! When a loop by time is looked at.
//!
//! A slice of time is measured in events: a pause of the program, a long compilation or a jittering clock make no difference.
//! Its length doubles whenever there are too many slices, so the pace has no scale of its own. A look walks all that is live, so
//! it also waits for as many events as pay for that.

use serde::{Deserialize, Serialize};

use crate::totals::is_count;

/// Events of the shortest slice.
const SHORTEST: u64 = 4;
/// A look at so many live allocations waits for as many events; at twice as many, for four times as many.
const CHEAP: u64 = 65_536;
/// So many frees with no allocation between them, and more than what is left, are the end of the program.
const TEARDOWN: u64 = 8;

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pace {
    /// Events of a slice.
    length: u64,
    /// Events since the last look.
    events: u64,
    frees_in_a_row: u64,
}

impl Pace {
    #[inline]
    pub(super) fn allocated(&mut self) {
        self.events += 1;
        self.frees_in_a_row = 0;
    }

    #[inline]
    pub(super) fn freed(&mut self) {
        self.events += 1;
        self.frees_in_a_row += 1;
    }

    /// Asked at an allocation, so that a row of frees is seen as a whole.
    #[inline]
    pub(super) fn is_due(&self, live: impl FnOnce() -> u64) -> bool {
        self.events >= self.length.max(SHORTEST) && self.is_worth_it(live())
    }

    fn is_worth_it(&self, live: u64) -> bool {
        self.events >= live.saturating_mul(live) / CHEAP && !self.is_teardown(live)
    }

    /// A program that frees all it has before it ends gives nothing back that it could use.
    fn is_teardown(&self, live: u64) -> bool {
        self.frees_in_a_row >= TEARDOWN.max(live)
    }

    /// Whether a look would see anything new.
    pub(super) fn has_news(&self, live: u64) -> bool {
        self.events > 0 && !self.is_teardown(live)
    }

    /// After a look; `is_merged` if slices were made twice as long.
    pub(super) fn looked(&mut self, is_merged: bool) {
        if is_merged {
            self.length = 2 * self.events.max(self.length).max(SHORTEST);
        }
        self.events = 0;
    }

    /// Events since the last look.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    pub(super) fn is_sound(&self) -> bool {
        is_count(self.length) && is_count(self.events) && is_count(self.frees_in_a_row)
    }
}
