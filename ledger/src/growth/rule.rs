//! What one source does: the verdict.
//!
//! 1. Allocations that die tell how old the source's allocations usually become: its lifetime. Survivors older than that, and
//!    born after the warm-up, are kept. Some deaths beyond the lifetime are allowed, if most who reached it survive.
//! 2. Too few kept generations prove nothing, except that a short loop in which each iteration keeps the same grows.
//! 3. If the time since the last kept generation is long against the gaps between them, growth has stopped.
//! 4. If kept generations become rarer, it is a cache that fills. Where all that the source makes is kept, as in a cache, this
//!    must be ruled out; where most of it is freed, it must be shown.
//! 5. By time alone, something must have been freed meanwhile: a program that loads its weights does not repeat anything.

use super::{
    Course, Rules, Undecided, census::Cohort, epoch::Activity, moments::Moments, slope::theil_sen, track::Track,
};

/// A loop shorter than this has no verdict on what is kept.
const FEWEST_LOOKS: u64 = 4;
/// Kept generations that prove growth.
const ENOUGH: u64 = 6;
/// The same where each iteration keeps the same.
const ENOUGH_IF_STEADY: usize = 3;
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
/// After how many usual gaps growth has paused: of regular ones, and on top for those that vary as random ones do.
const REGULAR_PAUSE: f64 = 1.5;
const RANDOM_PAUSE: f64 = 2.8;
/// By how many times that growth has surely stopped: after many kept generations, a few, and one.
const STOPPED: [f64; 3] = [2.0, 3.0, 8.0];
/// Gaps that vary less come from no cache that fills.
const REGULAR: f64 = 0.3;
const HARDLY_RARER: f64 = -0.2;
/// Births become rarer if their trend says so by so many standard deviations, and by so much.
const RARER_DEVIATIONS: f64 = 2.7;
const RARER: f64 = -0.3;
/// The same where it is but likely.
const LIKELY_DEVIATIONS: f64 = 1.5;
/// The evidence (in natural logarithms of likelihoods) that rules out a cache that fills.
const AGAINST_CACHE: f64 = 1.0;
/// They do not if it is above this by so many.
const NOT_RARER_DEVIATIONS: f64 = 1.4;
const NOT_RARER: f64 = -0.5;
/// How far the mean rate may be from the robust one.
const TYPICAL: f64 = 0.15;
/// The share of slices of time in which something must have been freed.
const REPEATS: f64 = 0.5;

/// The loop of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) rules: Rules,
    pub(super) looks: u64,
    pub(super) iterations: u64,
    pub(super) moments: &'a Moments,
    pub(super) activity: &'a [Activity],
    pub(super) ticks: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) course: Course,
    pub(super) generations: u64,
    pub(super) kept: u64,
    pub(super) devices: u64,
    pub(super) allocations_per_iteration: f64,
    pub(super) bytes_per_iteration: f64,
}

pub(super) fn judge(track: &Track, case: &Case<'_>) -> Judged {
    // The bin of the last look: what was born before it.
    let last = case.last_bin();
    let first = case.first_bin();
    let lifetime = Lifetime::of(track, first, last);
    let older_than = |age: u32| -> Vec<&Cohort> {
        let is_old =
            |cohort: &&Cohort| cohort.bin >= first && i64::from(cohort.bin) <= i64::from(last) - i64::from(age);
        track.cohorts().iter().filter(is_old).collect()
    };
    let mut kept = older_than(lifetime.surely);
    let end = i64::from(last) - i64::from(lifetime.surely);
    let mut course = course(track, case, &kept, end);
    if course == Course::Baseline && lifetime.usual < lifetime.surely {
        // What is older than usual, but not so old that it proves anything.
        let older = older_than(lifetime.usual);
        if !is_over(&older, first, i64::from(last) - i64::from(lifetime.usual)) {
            (kept, course) = (older, Course::Undecided(Undecided::FewGenerations));
        }
    }
    let generations: u64 = kept.iter().map(|cohort| u64::from(cohort.generations)).sum();
    let mut judged = Judged {
        course,
        generations: generations * case.moments.looks_per_generation(),
        kept: kept.iter().map(|cohort| cohort.amount.allocations).sum(),
        devices: kept.iter().fold(0, |all, cohort| all | cohort.devices),
        allocations_per_iteration: 0.0,
        bytes_per_iteration: 0.0,
    };
    if judged.course == Course::Grows {
        judged.allocations_per_iteration = case.rate(&kept, |cohort| cohort.amount.allocations as f64);
        judged.bytes_per_iteration = case.rate(&kept, |cohort| cohort.amount.bytes as f64);
    }
    judged
}

impl Case<'_> {
    /// The bin of what was born before the last look.
    fn last_bin(&self) -> u32 {
        let current = self.moments.current_bin();
        if self.moments.is_between_bins() { current.saturating_sub(1) } else { current }
    }

    /// The first bin after the warm-up.
    fn first_bin(&self) -> u32 {
        match self.rules {
            Rules::Marks | Rules::Amounts => 2_u32.div_ceil(self.moments.bin_width()),
            Rules::Time => (self.last_bin() / 16).max(1),
        }
    }

    /// Where a bin is on the axis of a rate: iterations, or, as slices of time are not alike, ticks.
    fn place(&self, bin: u32) -> f64 {
        if self.rules == Rules::Time && self.ticks > 0 {
            // The rate is meant by slices of the same length.
            let slices = self.iterations.max(1) as f64;
            self.moments.end_of(bin) as f64 / self.ticks as f64 * slices
        } else {
            f64::from(bin) * f64::from(self.moments.bin_width()) * self.moments.looks_per_generation() as f64
        }
    }

    /// What is added for good in an iteration, over the kept generations: the mean, unless a few of them dominate it.
    fn rate(&self, kept: &[&Cohort], of: impl Fn(&Cohort) -> f64) -> f64 {
        let [first, .., last] = kept else { return 0.0 };
        let mut sum = 0.0;
        let point = |cohort: &&Cohort| {
            sum += of(cohort);
            (self.place(cohort.bin), sum)
        };
        let points: Vec<(f64, f64)> = kept.iter().map(point).collect();
        let robust = theil_sen(&points);
        let mean = (sum - of(first)) / (self.place(last.bin) - self.place(first.bin));
        let rate = if (mean - robust).abs() <= robust * TYPICAL { mean } else { robust };
        if rate.is_finite() { rate } else { 0.0 }
    }

    /// How active a bin was, as a part of the usual.
    fn activity(&self, bin: u32) -> f64 {
        if self.rules != Rules::Time {
            return 1.0;
        }
        let all: u64 = self.activity.iter().map(|one| one.events).sum();
        let events = self.activity.get(bin as usize).map_or(0, |one| one.events);
        events as f64 * self.activity.len() as f64 / all.max(1) as f64
    }
}

/// How old the source's allocations become, in bins, unless they are kept.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    usual: u32,
    /// With a margin: what is older is kept.
    surely: u32,
}

impl Lifetime {
    fn of(track: &Track, first: u32, last: u32) -> Self {
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

fn course(track: &Track, case: &Case<'_>, kept: &[&Cohort], end: i64) -> Course {
    let generations: u64 = kept.iter().map(|cohort| u64::from(cohort.generations)).sum();
    if case.rules != Rules::Time && is_steady(track, case, end) {
        return Course::Grows;
    }
    let (Some(first), Some(last)) = (kept.first(), kept.last()) else {
        return Course::Baseline;
    };
    if case.looks < FEWEST_LOOKS {
        return Course::Undecided(Undecided::FewIterations);
    }
    if is_over(kept, case.first_bin(), end) {
        return Course::Baseline;
    }
    if generations < ENOUGH {
        return Course::Undecided(Undecided::FewGenerations);
    }
    if pause(kept, end) > 1.0 {
        return Course::Undecided(Undecided::Paused);
    }
    if case.rules == Rules::Time {
        let slices = case.activity.iter().skip(first.bin as usize).take((last.bin - first.bin) as usize + 1);
        let frees = slices.clone().filter(|slice| slice.frees > 0).count();
        if (frees as f64) < slices.count() as f64 * REPEATS {
            return Course::Undecided(Undecided::NothingRepeats);
        }
    }
    if is_filling(track, case, kept, end) {
        return Course::Undecided(Undecided::StillFilling);
    }
    Course::Grows
}

/// Whether each iteration, of the warm-up as well, keeps the same.
fn is_steady(track: &Track, case: &Case<'_>, end: i64) -> bool {
    if case.moments.bin_width() != 1 {
        return false;
    }
    let kept = || track.cohorts().iter().filter(|cohort| cohort.bin >= 1 && i64::from(cohort.bin) <= end);
    let Some(one) = kept().next() else { return false };
    let count = kept().count();
    count >= ENOUGH_IF_STEADY && count as i64 == end && kept().all(|cohort| cohort.amount == one.amount)
}

/// The time since the last kept generation, as a part of the longest that the gaps between them let expect.
fn pause(kept: &[&Cohort], end: i64) -> f64 {
    let Some(youngest) = kept.last() else { return f64::INFINITY };
    let since = end as f64 - f64::from(youngest.bin);
    let (mean, variation) = gaps(kept);
    // Of few gaps the variation is not known.
    let variation = if kept.len() < 5 { 1.0 } else { variation.min(1.0) };
    since / (mean * (REGULAR_PAUSE + RANDOM_PAUSE * variation) + 0.5)
}

/// Whether growth has surely stopped.
fn is_over(kept: &[&Cohort], first: u32, end: i64) -> bool {
    let [many, few, one] = STOPPED;
    match kept {
        [] => true,
        [only] => end as f64 - f64::from(only.bin) > one * f64::from(only.bin - first + 1),
        _ => pause(kept, end) > if kept.len() < ENOUGH as usize { few } else { many },
    }
}

/// The mean gap between kept generations, and how much gaps vary, as a part of it.
fn gaps(kept: &[&Cohort]) -> (f64, f64) {
    let gaps: Vec<f64> = kept.windows(2).map(|pair| f64::from(pair[1].bin - pair[0].bin)).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    (mean, variance.sqrt() / mean)
}

/// Whether kept generations become rarer, or may do so where the source keeps all that it makes.
fn is_filling(track: &Track, case: &Case<'_>, kept: &[&Cohort], end: i64) -> bool {
    let live = track.live().allocations;
    let keeps_all = track.all_births() <= live + live / 20;
    let start = i64::from(kept[0].bin);
    // A bin that is not full yet has fewer.
    let is_whole = case.moments.bin_width() == 1 && case.rules != Rules::Time;
    let end = if is_whole { end } else { end.min(i64::from(case.last_bin()) - 1) };
    let decline = |start: i64| {
        let by_generations = Decline::of(kept, start, end, |cohort| f64::from(cohort.generations));
        let by_allocations =
            Decline::of(kept, start, end, |cohort| cohort.amount.allocations as f64 / case.activity(cohort.bin));
        [by_generations, by_allocations]
    };
    if keeps_all {
        // A cache is not filled like a clock.
        let (_, variation) = gaps(kept);
        let is_regular =
            kept.len() >= ENOUGH as usize && variation < REGULAR && decline(start)[1].change > HARDLY_RARER;
        let fills = match case.rules {
            // Iterations are known: a cache misses nearly always at first, and growth at random does not.
            Rules::Marks => {
                let evidence = evidence_against_cache(track.cohorts(), case.moments.bin_width(), end);
                evidence < AGAINST_CACHE || decline(start).iter().any(Decline::is_likely)
            }
            Rules::Time | Rules::Amounts => decline(start).iter().any(|decline| !decline.is_excluded()),
        };
        !is_regular && fills
    } else {
        let is_shown = |start| decline(start).iter().any(Decline::is_shown);
        let half = i64::midpoint(start, end);
        let young: u64 =
            kept.iter().filter(|cohort| i64::from(cohort.bin) > half).map(|cohort| u64::from(cohort.generations)).sum();
        is_shown(start) && (young < ENOUGH || is_shown(half))
    }
}

/// By how much, in natural logarithms, the iterations that had births are likelier for growth at random, at one rate, than for a cache with
/// random keys that one key an iteration is looked up in. With all keys alike the chance of a birth is `1 - j / K` after `j` of
/// `K` keys (the coupon collector); with keys of unlike frequency it falls as a power of time (Heaps' law).
fn evidence_against_cache(cohorts: &[Cohort], bin_width: u32, end: i64) -> f64 {
    let Some(first) = cohorts.first() else { return 0.0 };
    let bins = (end - i64::from(first.bin) + 1).max(1) as usize;
    let width = f64::from(bin_width);
    let mut births = vec![0.0; bins];
    for cohort in cohorts {
        if let Some(born) = births.get_mut((cohort.bin - first.bin) as usize) {
            *born = f64::from(cohort.generations).min(width);
        }
    }
    let all: f64 = births.iter().sum();
    let likelihood = |chance: &dyn Fn(f64, f64) -> f64| {
        let (mut seen, mut sum) = (0.0, 0.0);
        for (at, &born) in births.iter().enumerate() {
            // The first birth is where the account begins.
            let (known, trials) = if at == 0 { (1.0, width - 1.0) } else { (0.0, width) };
            let more = born - known;
            let chance = chance(seen + known + more / 2.0, (at as f64 + 0.5) * width + 0.5).clamp(0.001, 0.999);
            sum += more * chance.ln() + (trials - more).max(0.0) * (1.0 - chance).ln();
            seen += born;
        }
        sum
    };
    let rate = (all - 1.0).max(0.0) / (bins as f64 * width - 1.0).max(1.0);
    let growth = likelihood(&|_, _| rate);
    let keys = (0..64).map(|step| (all + 0.5) * 1.08_f64.powi(step));
    let alike = keys.map(|keys| likelihood(&|seen, _| 1.0 - seen / keys));
    let powers = (6..=20).map(|step| f64::from(step) / 20.0);
    let unlike = powers.map(|power| likelihood(&|_, time| time.powf(-power)));
    growth - alike.chain(unlike).fold(f64::NEG_INFINITY, f64::max)
}

/// How births become rarer over time: the linear trend of births by bin, from the first to the last of them, as a part of
/// their mean; negative if they become rarer.
#[derive(Clone, Copy, Debug)]
struct Decline {
    change: f64,
    /// Its standard deviation if there were none.
    deviation: f64,
}

impl Decline {
    fn of(kept: &[&Cohort], start: i64, end: i64, of: impl Fn(&Cohort) -> f64) -> Self {
        // The first bin is one with births since the window begins with it.
        let bins = (end - start).max(0) as usize;
        let mut births = vec![0.0; bins];
        for cohort in kept {
            let at = i64::from(cohort.bin) - start - 1;
            if (0..bins as i64).contains(&at) {
                births[at as usize] = of(cohort);
            }
        }
        let count = bins as f64;
        let mean = births.iter().sum::<f64>() / count;
        if bins < 3 || mean == 0.0 {
            return Self { change: 0.0, deviation: f64::INFINITY };
        }
        let place = |at: usize| (at as f64 + 0.5) / count - 0.5;
        let (mut covariance, mut spread, mut variance) = (0.0, 0.0, 0.0);
        for (at, &born) in births.iter().enumerate() {
            covariance += place(at) * (born - mean);
            spread += place(at).powi(2);
            variance += (born - mean).powi(2);
        }
        let deviation = (variance / (count - 1.0) / spread).sqrt() / mean;
        Self { change: covariance / spread / mean, deviation }
    }

    fn is_excluded(&self) -> bool {
        self.change - NOT_RARER_DEVIATIONS * self.deviation > NOT_RARER
    }

    fn is_likely(&self) -> bool {
        self.change + LIKELY_DEVIATIONS * self.deviation < 0.0 && self.change < RARER
    }

    fn is_shown(&self) -> bool {
        self.change + RARER_DEVIATIONS * self.deviation < 0.0 && self.change < RARER
    }
}
