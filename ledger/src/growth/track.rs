//! One source over the looks of a loop: who survives, and how old the others became.

use serde::{Deserialize, Serialize};

use super::{
    Amount,
    census::Cohort,
    history::{History, Level},
};

/// No count of a source comes near to this, and sums of them stay far from where numbers wrap.
pub(super) const FAR: u64 = 1 << 48;
/// So many generations that go at once, with nothing left, are a flush.
const FLUSHED: u32 = 4;
/// Of the looks in which a stack was seen to shrink, one in so many may be out of order: threads race.
const STACK_ERRORS: u64 = 20;
/// Bins of the warm-up.
const WARM_UP_BINS: u32 = 2;
/// Classes of ages, by powers of two.
const CLASSES: usize = 8;

/// All ages are in bins of generations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Track {
    /// What lived at the last look, in the order of bins.
    cohorts: Vec<Cohort>,
    /// How many allocations died, by age.
    deaths: Vec<u64>,
    /// In how many looks the oldest death was of an age of this class: a flush is one event, however much goes.
    death_events: [u64; CLASSES],
    /// How often all that was born after the warm-up went at once, and the age of the oldest that ever did.
    flushes: u64,
    oldest_flushed: u32,
    /// In how many looks something died that was not the youngest, and in how many of them a younger one lived on.
    old_deaths: u64,
    out_of_order: u64,
    history: History,
    /// All births, as far as they are known, those before this epoch, and those before the end of the warm-up.
    births: u64,
    births_before: u64,
    births_in_warm_up: u64,
}

impl Track {
    /// What lives now; `counts_deaths` is false where a close of a device may have been the cause.
    pub(super) fn look(&mut self, now: &[Cohort], current: u32, counts_deaths: bool) {
        if counts_deaths {
            let (mut oldest, mut generations) = (None, 0);
            let (mut has_younger, mut is_out_of_order) = (false, false);
            for before in self.cohorts.iter().rev() {
                let lives = now
                    .binary_search_by_key(&before.bin, |cohort| cohort.bin)
                    .map_or(0, |at| now[at].amount.allocations);
                let dead = before.amount.allocations.saturating_sub(lives);
                if dead > 0 {
                    let age = current.saturating_sub(before.bin) as usize;
                    oldest = oldest.max(Some(age));
                    note(&mut self.deaths, age, dead);
                    generations += before.generations;
                    is_out_of_order |= has_younger;
                }
                has_younger |= lives > 0;
            }
            if let Some(age) = oldest {
                self.death_events[class(age)] += 1;
                self.old_deaths += u64::from(age > 1);
                self.out_of_order += u64::from(age > 1 && is_out_of_order);
                let is_left = now.iter().any(|cohort| (WARM_UP_BINS..current).contains(&cohort.bin));
                if generations >= FLUSHED && !is_left {
                    self.flushes += 1;
                    self.oldest_flushed = self.oldest_flushed.max(age as u32);
                }
            }
        }
        self.cohorts.clear();
        self.cohorts.extend_from_slice(now);
        let live = self.live();
        let level = Level {
            generations: self.cohorts.iter().map(|cohort| u64::from(cohort.generations)).sum(),
            allocations: live.allocations,
            bytes: u64::try_from(live.bytes).unwrap_or(u64::MAX),
            births: self.births,
            died: self.deaths.iter().sum(),
        };
        self.history.note(current, level);
    }

    /// The amount that a look found, where nothing survives from one to the next: what is more than before is born, and what
    /// is less died, the youngest first.
    pub(super) fn compare(&mut self, now: Cohort, counts_deaths: bool) {
        let before = self.live();
        let mut cohorts = self.cohorts.clone();
        let mut surplus = Amount {
            allocations: before.allocations.saturating_sub(now.amount.allocations),
            bytes: before.bytes.saturating_sub(now.amount.bytes),
        };
        while surplus != Amount::default()
            && let Some(youngest) = cohorts.last_mut()
        {
            let gone = Amount {
                allocations: surplus.allocations.min(youngest.amount.allocations),
                bytes: surplus.bytes.min(youngest.amount.bytes),
            };
            youngest.amount.allocations -= gone.allocations;
            youngest.amount.bytes -= gone.bytes;
            surplus.allocations -= gone.allocations;
            surplus.bytes -= gone.bytes;
            if surplus != Amount::default() || youngest.amount == Amount::default() {
                // What is left of it, in count or in bytes, is not told apart from the one before.
                let left = youngest.amount;
                cohorts.pop();
                match cohorts.last_mut() {
                    Some(older) => older.amount.add_all(left),
                    None => break,
                }
            }
        }
        let more = Amount {
            allocations: now.amount.allocations.saturating_sub(before.allocations),
            bytes: now.amount.bytes.saturating_sub(before.bytes),
        };
        if more != Amount::default() {
            let born = Cohort { amount: more, ..now };
            match cohorts.last_mut() {
                Some(last) if last.bin == born.bin => last.join(&born),
                _ => cohorts.push(born),
            }
        }
        self.births += more.allocations;
        self.look(&cohorts, now.bin, counts_deaths);
    }

    /// What lived at the last look.
    pub(super) fn live(&self) -> Amount {
        let mut live = Amount::default();
        self.cohorts.iter().for_each(|cohort| live.add_all(cohort.amount));
        live
    }

    pub(super) fn cohorts(&self) -> &[Cohort] {
        &self.cohorts
    }

    /// Deaths by age.
    pub(super) fn deaths(&self) -> &[u64] {
        &self.deaths
    }

    /// In how many looks something died that was of this age or, within a factor of two, younger.
    pub(super) fn death_events(&self, age: usize) -> u64 {
        self.death_events[class(age.div_ceil(2))..].iter().sum()
    }

    /// How often all was given back at once, and the age of the oldest then.
    pub(super) fn flushes(&self) -> Option<(u64, u32)> {
        (self.flushes > 0).then_some((self.flushes, self.oldest_flushed))
    }

    /// Whether it is freed as a stack is: of what lived, the youngest goes first.
    pub(super) fn is_stack(&self) -> bool {
        self.out_of_order * STACK_ERRORS < self.old_deaths
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// What the source has made so far; `is_later` if there was an epoch before.
    pub(super) fn note_births(&mut self, births: u64, is_warm_up: bool, is_later: bool) {
        if is_later && self.births == 0 {
            self.births_before = births.saturating_sub(self.live().allocations);
        }
        self.births = self.births.max(births);
        self.history.note_births(self.births);
        if is_warm_up {
            self.births_in_warm_up = self.births;
        }
    }

    /// Births after the warm-up.
    pub(super) fn births(&self) -> u64 {
        self.births.saturating_sub(self.births_in_warm_up)
    }

    /// All births of this epoch.
    pub(super) fn all_births(&self) -> u64 {
        self.births.saturating_sub(self.births_before)
    }

    /// Makes one bin of two.
    pub(super) fn merge_bins(&mut self) {
        let mut merged: Vec<Cohort> = Vec::with_capacity(self.cohorts.len().div_ceil(2));
        for cohort in self.cohorts.drain(..) {
            let cohort = Cohort { bin: cohort.bin / 2, ..cohort };
            match merged.last_mut() {
                Some(last) if last.bin == cohort.bin => last.join(&cohort),
                _ => merged.push(cohort),
            }
        }
        self.cohorts = merged;
        self.history.merge_bins();
        let deaths = std::mem::take(&mut self.deaths);
        deaths.into_iter().enumerate().for_each(|(age, dead)| note(&mut self.deaths, age / 2, dead));
        self.oldest_flushed = self.oldest_flushed.div_ceil(2);
        self.death_events[0] += self.death_events[1];
        self.death_events.copy_within(2.., 1);
        self.death_events[CLASSES - 1] = 0;
    }

    /// Makes one generation of two, where `width` generations are a bin then.
    pub(super) fn merge_generations(&mut self, width: u32) {
        for cohort in &mut self.cohorts {
            cohort.generations = cohort.generations.div_ceil(2).min(width);
        }
        self.history.merge_generations();
    }

    pub(super) fn is_sound(&self, current: u32) -> bool {
        let are_sound = |cohort: &Cohort| {
            cohort.bin <= current
                && cohort.generations < 1 << 20
                && cohort.amount.allocations < FAR
                && cohort.amount.bytes < 1 << 112
        };
        let births = [self.births, self.births_before, self.births_in_warm_up];
        self.cohorts.is_sorted_by(|one, next| one.bin < next.bin)
            && self.cohorts.iter().all(are_sound)
            && self.deaths.len() <= current as usize + 1
            && self.oldest_flushed <= current + 1
            && self.history.is_sound(current)
            && self.out_of_order <= self.old_deaths
            && self.old_deaths < FAR
            && self.deaths.iter().chain(&self.death_events).chain(&births).chain([&self.flushes]).all(|&one| one < FAR)
    }
}

fn note(deaths: &mut Vec<u64>, age: usize, dead: u64) {
    if deaths.len() <= age {
        deaths.resize(age + 1, 0);
    }
    deaths[age] += dead;
}

/// 0 for ages 0 and 1, then by powers of two.
fn class(age: usize) -> usize {
    (age.max(1).ilog2() as usize).min(CLASSES - 1)
}
