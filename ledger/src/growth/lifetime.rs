//! How old a source's allocations become.

use super::{census::Cohort, track::Track};

/// Of those who reach the usual lifetime, one in so many may die.
const SURVIVORS_PER_DEATH: u64 = 5;
/// How far beyond the usual lifetime kept allocations begin, as a factor: more where few looks saw anything die, and up to so
/// many times more where a few live that much longer than most.
const MARGIN: f64 = 1.1;
const MARGIN_BY_DEATHS: f64 = 3.0;
const LONG_TAIL: f64 = 4.0;
/// The same for a source that was seen to give back everything.
const FLUSH_MARGIN: f64 = 4.0;
const FLUSH_MARGIN_BY_FLUSHES: f64 = 8.0;

/// How old the source's allocations become, in bins, unless they are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    pub(super) usual: u32,
    /// With a margin: what is older is kept.
    pub(super) surely: u32,
}

impl Lifetime {
    /// `first` is the first bin after the warm-up, `last` that of the last look.
    pub(super) fn of(track: &Track, first: u32, last: u32) -> Self {
        let mut survivors = vec![0; last as usize + 1];
        for cohort in track.cohorts().iter().filter(|cohort| cohort.bin >= first) {
            survivors[last.saturating_sub(cohort.bin) as usize] += cohort.amount.allocations;
        }
        let deaths = track.deaths();
        let (mut older_survivors, mut older_deaths, mut usual) = (0_u64, 0_u64, 0_usize);
        for age in (0..survivors.len().max(deaths.len())).rev() {
            older_survivors += survivors.get(age).copied().unwrap_or_default();
            older_deaths += deaths.get(age).copied().unwrap_or_default();
            // The youngest age from which on the condition holds.
            if older_deaths * SURVIVORS_PER_DEATH > older_survivors {
                usual = age + 1;
                break;
            }
        }
        if usual == 0 {
            return Self { usual: 0, surely: 0 };
        }
        let long_tail = (usual as f64 / (LONG_TAIL * median(deaths) as f64)).clamp(1.0, LONG_TAIL);
        let events = track.death_events(usual - 1).max(1) as f64;
        let mut surely = usual as f64 * (MARGIN * long_tail + MARGIN_BY_DEATHS / events);
        if let Some((flushes, oldest)) = track.flushes() {
            surely = surely.max(f64::from(oldest) * (FLUSH_MARGIN + FLUSH_MARGIN_BY_FLUSHES / flushes as f64));
        }
        Self { usual: usual as u32, surely: surely.ceil() as u32 }
    }
}

/// The median age of deaths, without those of the youngest.
fn median(deaths: &[u64]) -> usize {
    let older = || deaths.iter().enumerate().skip(1);
    let all: u64 = older().map(|(_, &dead)| dead).sum();
    let mut younger = 0;
    let half = older().find(|&(_, &dead)| {
        younger += dead;
        younger * 2 >= all
    });
    half.map_or(1, |(age, _)| age)
}

/// The survivors older than an age.
pub(super) struct Survivors<'a> {
    pub(super) cohorts: Vec<&'a Cohort>,
    /// The bin of what has that age now.
    pub(super) end: i64,
}

impl<'a> Survivors<'a> {
    pub(super) fn older_than(age: u32, track: &'a Track, first: u32, last: u32) -> Self {
        let end = i64::from(last) - i64::from(age);
        let is_old = |cohort: &&Cohort| cohort.bin >= first && i64::from(cohort.bin) <= end;
        Self { cohorts: track.cohorts().iter().filter(is_old).collect(), end }
    }

    pub(super) fn generations(&self) -> u64 {
        self.cohorts.iter().map(|cohort| u64::from(cohort.generations)).sum()
    }
}
