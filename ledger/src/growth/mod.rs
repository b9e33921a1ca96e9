//! Does it grow? Surviving generations decide.
//!
//! An allocation is born in an iteration of a loop: its generation. At each look at the loop, the live allocations of each
//! source are counted by generation. In a working set, a ring or a bounded cache the generations with survivors stay few; in a
//! leak they become more for as long as the program runs. NetBeans' profiler calls this "surviving generations"; Cork (Jump and
//! McKinley, POPL 2007) compares volumes by class between collections in the same way.
//!
//! * [`moments`]: when the loop was looked at, which makes a generation of a birth's ticks;
//! * [`census`]: what lives, by source and generation;
//! * [`track`]: one source over the looks of a loop: who survives, and how old the others became;
//! * [`epoch`]: all sources between two releases of a device;
//! * [`history`]: how much of it was live;
//! * [`rule`]: what one source does: the verdict; by its [`lifetime`] and how long growth has [`pause`]d, against what looks like
//!   a leak: [`filling`] caches and what [`drift`]s at random;
//! * [`slope`]: at which rate;
//! * [`births`]: how many allocations each source made;
//! * [`pace`]: when a loop by time is looked at.

mod births;
mod census;
mod drift;
mod epoch;
mod filling;
mod history;
mod lifetime;
mod moments;
mod pace;
mod pause;
mod rule;
mod series;
mod slope;
mod track;

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use self::{births::Births, epoch::Epoch, pace::Pace};
pub use self::{
    census::Seen,
    series::{Amount, Course, Point, Series, Source, Trend, Undecided},
};
use crate::totals::is_count;

/// Loops of marks and closes that are kept; a program that gives every mark a name of its own has no loop.
const MAX_LOOPS: usize = 512;

/// All loops of a process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Growth {
    loops: BTreeMap<Point, Loop>,
    time: Loop,
    pace: Pace,
    births: Births,
    /// The latest birth, in ticks.
    latest: u64,
    frees: u64,
}

/// What a look needs beside the live allocations.
#[derive(Clone, Copy, Debug)]
struct Now {
    ticks: u64,
    /// Allocations that closes of devices released so far.
    released: u64,
    /// Allocations and frees since the last look by time, and frees so far.
    events: u64,
    frees: u64,
}

/// One loop. A close of a device ends an epoch: what it releases is neither freed nor leaked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Loop {
    /// Looks of all epochs.
    looks: u64,
    epoch: Epoch,
    /// Of the epochs before: the one that kept the most generations, else the longest.
    before: Option<Box<Epoch>>,
}

impl Loop {
    fn look(&mut self, rules: Rules, live: impl Iterator<Item = Seen>, now: Now, births: &Births) -> bool {
        let mut census = self.epoch.census(live);
        if self.epoch.was_released(&census, now.released) {
            let next = self.epoch.next();
            let ended = std::mem::replace(&mut self.epoch, next);
            self.keep(rules, ended);
            census.restart();
        }
        self.looks += 1;
        self.epoch.look(rules, &census, now, births)
    }

    /// Keeps an epoch that ended, if it says more than the one that is kept.
    fn keep(&mut self, rules: Rules, ended: Epoch) {
        // Judging is the reader's: a process that saves its own checkpoints does not need libm for it.
        let weight = |epoch: &Epoch| (epoch.generations_kept(rules), epoch.looks());
        if self.before.as_ref().is_none_or(|before| weight(before) < weight(&ended)) {
            self.before = Some(Box::new(ended));
        }
    }

    fn series(&self, point: Point, rules: Rules) -> Option<Series> {
        let mut last = self.epoch.series(point.clone(), rules);
        if let Some(before) = &self.before {
            let before = before.series(point, rules);
            if !before.leaks().is_empty() && last.leaks().is_empty() || before.looks > last.looks {
                last = before;
            }
        }
        (!last.trends.is_empty()).then_some(last)
    }

    fn is_sound(&self) -> bool {
        self.epoch.is_sound() && self.before.as_ref().is_none_or(|before| before.is_sound())
    }
}

/// What differs between loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    /// An iteration is the time between two marks.
    Marks,
    /// A slice of time is no iteration of the program.
    Time,
    /// Closes and runs: nothing survives from one to the next, amounts alone are compared.
    Amounts,
}

impl Growth {
    /// A new allocation.
    #[inline]
    pub(crate) fn born(&mut self, memory: Memory, site: u32, size: u64, is_cached: bool, ticks: u64) {
        self.latest = self.latest.max(ticks);
        self.pace.allocated();
        self.births.note(memory, site, size, is_cached);
    }

    /// Whether the loop by time is due for a look; cheap enough for every allocation.
    #[inline]
    pub(crate) fn is_due(&self, live: impl FnOnce() -> u64) -> bool {
        self.pace.is_due(live)
    }

    /// An allocation was freed.
    #[inline]
    pub(crate) fn freed(&mut self) {
        self.frees += 1;
        self.pace.freed();
    }

    fn now(&self, released: u64) -> Now {
        Now { ticks: self.latest, released, events: self.pace.events(), frees: self.frees }
    }

    /// A look at a mark. `released` is how many allocations closes of devices released so far.
    pub(crate) fn mark(&mut self, name: &str, live: impl Iterator<Item = Seen>, released: u64) {
        self.look(Point::Marks(series_name(name)), live, self.now(released));
    }

    /// A look at what a close of a device releases.
    pub(crate) fn close(&mut self, device: i32, released: impl Iterator<Item = Seen>) {
        // Each iteration of this loop ends in a release, which therefore is no end of an epoch.
        self.look(Point::Closes(device), released, self.now(0));
    }

    fn look(&mut self, point: Point, live: impl Iterator<Item = Seen>, now: Now) {
        if self.loops.len() >= MAX_LOOPS && !self.loops.contains_key(&point) {
            return;
        }
        let rules = rules_of(&point);
        self.loops.entry(point).or_default().look(rules, live, now, &self.births);
    }

    /// A look by time.
    pub(crate) fn slice(&mut self, live: impl Iterator<Item = Seen>, released: u64) {
        let is_merged = self.time.look(Rules::Time, live, self.now(released), &self.births);
        self.pace.looked(is_merged);
    }

    /// Whether a look by time would see anything new.
    pub(crate) fn has_news(&self, live: u64) -> bool {
        self.pace.has_news(live)
    }

    /// What every loop says. The last look by time is made now, at what is live.
    pub(crate) fn series(&self, live: impl Iterator<Item = Seen>, live_count: u64, released: u64) -> Vec<Series> {
        let mut time = Cow::Borrowed(&self.time);
        if self.has_news(live_count) {
            time.to_mut().look(Rules::Time, live, self.now(released), &self.births);
        }
        let loops = self.loops.iter().filter_map(|(point, one)| one.series(point.clone(), rules_of(point)));
        loops.chain(time.series(Point::Time, Rules::Time)).collect()
    }

    /// The call sites of all sources.
    pub(crate) fn sites(&self) -> impl Iterator<Item = u32> {
        let loops = self.loops.values().chain([&self.time]);
        let epochs = loops.flat_map(|one| [&one.epoch].into_iter().chain(one.before.as_deref()));
        epochs.flat_map(Epoch::sites)
    }

    /// Whether what was read from a file is what events can give.
    pub(crate) fn is_sound(&self) -> bool {
        self.loops.len() <= MAX_LOOPS
            && self.loops.values().chain([&self.time]).all(Loop::is_sound)
            && self.births.are_sound()
            && is_count(self.frees)
            && self.pace.is_sound()
    }
}

fn rules_of(point: &Point) -> Rules {
    match point {
        Point::Marks(_) => Rules::Marks,
        Point::Closes(_) => Rules::Amounts,
        Point::Time => Rules::Time,
    }
}

/// Judges runs of one command, in their order, by what each left behind. Call sites are numbers that mean the same in all of
/// them, births are not looked at.
pub fn judge(runs: &[Vec<Seen>]) -> Series {
    let mut all = Loop::default();
    let births = Births::default();
    for run in runs {
        all.look(Rules::Amounts, run.iter().copied(), Now { ticks: 0, released: 0, events: 0, frees: 0 }, &births);
    }
    all.epoch.series(Point::Marks(String::new()), Rules::Amounts)
}

/// The name of a mark's loop: each number in it, which may count iterations, is written as `#`.
pub fn series_name(mark: &str) -> String {
    let mut name = String::with_capacity(mark.len());
    for character in mark.chars() {
        match character {
            '0'..='9' if name.ends_with('#') => {}
            '0'..='9' => name.push('#'),
            other => name.push(other),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_numbers_are_one_series() {
        assert_eq!(series_name("iteration 12 of 300"), "iteration # of #");
        assert_eq!(series_name("warm-up"), "warm-up");
    }
}
