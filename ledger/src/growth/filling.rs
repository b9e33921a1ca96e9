//! A cache that fills, the rival of a leak.

use super::{
    Rules,
    census::Cohort,
    drift::Drift,
    history::Level,
    pause::{gaps, spread},
    rule::Case,
    track::Track,
};

/// Kept generations whose gaps show that they are regular.
const ENOUGH: u64 = 6;
/// Gaps that vary less come from no cache that fills.
const REGULAR: f64 = 0.3;
/// Births that become rarer, or gaps that become longer, by less than this part of their mean stay as they were.
const HARDLY: f64 = 0.2;
/// The same for times, which slices tell only roughly; one in so many may fall into one slice with another.
const ENOUGH_FOR_CLOCK: usize = 12;
const ODD: usize = 8;
/// Births become rarer if their trend says so by so many standard deviations, and by so much.
const RARER_DEVIATIONS: f64 = 2.7;
const RARER: f64 = -0.3;
/// The same where it is but likely.
const LIKELY_DEVIATIONS: f64 = 1.5;
/// The evidence (in natural logarithms of likelihoods) that rules out a cache that fills.
const AGAINST_CACHE: f64 = 1.0;
const SURELY_NO_CACHE: f64 = 8.0;
/// They do not if it is above this by so many.
const NOT_RARER_DEVIATIONS: f64 = 1.4;
const SURELY_NOT_RARER_DEVIATIONS: f64 = 2.0;
const NOT_RARER: f64 = -0.5;

/// Whether kept generations become rarer, or may do so where the source keeps all that it makes.
pub(super) fn is_filling(track: &Track, case: &Case<'_>, kept: &[&Cohort], end: i64) -> bool {
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
    let of_births = Decline::of_births(Drift::of(track, case.first_bin(), case.end()).points());
    // A cache is not filled like a clock.
    let is_steady = keeps_all || !of_births.is_likely();
    if kept.len() >= ENOUGH as usize && is_steady {
        let is_regular = gaps(kept).1 < REGULAR && decline(start)[1].change > -HARDLY;
        if is_regular || case.rules == Rules::Time && is_like_a_clock(case, kept) {
            return false;
        }
    }
    if keeps_all {
        return match case.rules {
            // Iterations are known: a cache misses nearly always at first, and growth at random does not.
            Rules::Marks => {
                let evidence = evidence_against_cache(track.cohorts(), case.moments.bin_width(), end);
                decline(start).iter().any(|decline| !decline.leaves(evidence))
            }
            Rules::Time | Rules::Amounts => decline(start).iter().any(|decline| !decline.is_excluded()),
        };
    }
    let is_shown = |start| decline(start).iter().any(Decline::is_shown);
    let half = i64::midpoint(start, end);
    let young: u64 =
        kept.iter().filter(|cohort| i64::from(cohort.bin) > half).map(|cohort| u64::from(cohort.generations)).sum();
    of_births.is_shown()
        || track.all_births() < 2 * live && of_births.is_likely()
        || track.all_births() * 3 < live * 5 && !of_births.is_surely_excluded()
        || is_shown(start) && (young < ENOUGH || is_shown(half))
}

/// Whether the same time passes from each kept allocation to the next, though more happens in some of it.
fn is_like_a_clock(case: &Case<'_>, kept: &[&Cohort]) -> bool {
    let mut numbers: Vec<u64> = kept.iter().map(|cohort| cohort.amount.allocations).collect();
    numbers.sort_unstable();
    let usual = numbers[numbers.len() / 2];
    let odd = numbers.iter().filter(|&&number| number != usual).count();
    if kept.len() < ENOUGH_FOR_CLOCK || odd * ODD > kept.len() {
        return false;
    }
    let times: Vec<f64> = kept.iter().map(|cohort| case.moments.end_of(cohort.bin) as f64).collect();
    let (mean, variation) = spread(&times);
    let half = times.len() / 2;
    let (early, _) = spread(&times[..=half]);
    let (late, _) = spread(&times[half..]);
    variation < REGULAR && late - early < HARDLY * mean
}

/// By how much, in natural logarithms, the iterations that had births are likelier for growth at random, at one rate, than for
/// a cache with random keys that one key an iteration is looked up in. With all keys alike the chance of a birth is `1 - j / K`
/// after `j` of `K` keys (the coupon collector); with keys of unlike frequency it falls as a power of time (Heaps' law).
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
pub(super) struct Decline {
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
        Self::of_series(&births)
    }

    /// Of all births, those included that died.
    pub(super) fn of_births(levels: &[(u32, Level)]) -> Self {
        // A source is known from when something of it was seen to live.
        let known = levels.iter().position(|(_, level)| level.births > 0).unwrap_or(levels.len());
        let pairs = levels[known..].windows(2);
        let births: Vec<f64> = pairs.map(|pair| pair[1].1.births.saturating_sub(pair[0].1.births) as f64).collect();
        Self::of_series(&births)
    }

    fn of_series(births: &[f64]) -> Self {
        let count = births.len() as f64;
        let mean = births.iter().sum::<f64>() / count;
        if births.len() < 3 || mean == 0.0 {
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

    pub(super) fn is_surely_excluded(&self) -> bool {
        self.change - SURELY_NOT_RARER_DEVIATIONS * self.deviation > NOT_RARER
    }

    /// Whether births are no cache's that fills, by likelihoods and by this trend together.
    fn leaves(&self, evidence: f64) -> bool {
        evidence + self.change / self.deviation > AGAINST_CACHE
            && (!self.is_likely() || evidence > SURELY_NO_CACHE && !self.is_shown())
    }

    fn is_likely(&self) -> bool {
        self.change + LIKELY_DEVIATIONS * self.deviation < 0.0 && self.change < RARER
    }

    fn is_shown(&self) -> bool {
        self.change + RARER_DEVIATIONS * self.deviation < 0.0 && self.change < RARER
    }
}
