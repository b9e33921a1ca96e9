//! What one source does: the verdict.
//!
//! 1. Allocations that die tell how old the source's allocations usually become: its lifetime. Survivors older than that, and
//!    born after the warm-up, are kept. Some deaths beyond the lifetime are allowed, if most who reached it survive.
//! 2. Too few kept generations prove nothing, except that a short loop in which each iteration keeps the same grows.
//! 3. If the time since the last kept generation is long against the gaps between them, growth has stopped.
//! 4. If kept generations become rarer, it is a cache that fills. Where all that the source makes is kept, as in a cache, this
//!    must be ruled out; where most of it is freed, it must be shown.
//! 5. A stack keeps its lowest part, and a cache with a limit what is often used: what is live must rise as well.
//! 6. A queue that backs up keeps nothing for ever. It grows if ever more is live, and that is no random walk.
//! 7. By time alone, something must have been freed meanwhile: a program that loads its weights does not repeat anything.

use super::{
    Course, Rules, Undecided,
    census::Cohort,
    drift::Drift,
    epoch::Activity,
    filling::is_filling,
    history::Level,
    lifetime::{Lifetime, Survivors},
    moments::Moments,
    pause::{gaps, is_over, pause},
    slope::theil_sen,
    track::Track,
};

/// A loop shorter than this has no verdict on what is kept.
const FEWEST_LOOKS: u64 = 4;
/// The looks in which an iteration after the warm-up ends.
const FEWEST_SEEN: u64 = 3;
/// Kept generations that prove growth.
const ENOUGH: u64 = 6;
/// The same at marks, where each so many iterations keep something.
const ENOUGH_IF_REGULAR: u64 = 5;
const REGULAR: f64 = 0.1;
/// The same where each iteration keeps the same.
const ENOUGH_IF_STEADY: usize = 3;
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
    let (first, last) = (case.first_bin(), case.last_bin());
    let lifetime = Lifetime::of(track, first, last);
    let older_than = |age| Survivors::older_than(age, track, first, last);
    let mut kept = older_than(lifetime.surely);
    let older = older_than(lifetime.usual);
    let mut course = course(track, case, &kept);
    // Survivors that are older than usual, but not so old that it proves anything.
    if course == Course::Baseline && !is_over(&older.cohorts, first, older.end) {
        (kept, course) = (older, Course::Undecided(Undecided::FewGenerations));
    } else if course == Course::Grows && pause(&older.cohorts, older.end) > 1.0 {
        course = Course::Undecided(Undecided::Paused);
    }
    if matches!(course, Course::Baseline | Course::Undecided(Undecided::FewGenerations)) {
        let drift = Drift::after_filling(track, first, case.end());
        if drift.rises() {
            return risen(track, case, &drift);
        }
        if course == Course::Baseline && drift.may_rise() {
            (kept, course) = (older_than(0), Course::Undecided(Undecided::FewIterations));
        } else if course == Course::Baseline && drift.sizes_rise() {
            course = Course::Undecided(Undecided::SizesRise);
        }
    }
    let points = |of: fn(&Cohort) -> f64| {
        let mut sum = 0.0;
        let point = |cohort: &&Cohort| {
            sum += of(cohort);
            (case.place(cohort.bin), sum)
        };
        kept.cohorts.iter().map(point).collect::<Vec<_>>()
    };
    let rates = if course == Course::Grows {
        [rate(&points(|cohort| cohort.amount.allocations as f64)), rate(&points(|cohort| cohort.amount.bytes as f64))]
    } else {
        [0.0; 2]
    };
    Judged::new(course, &kept, case, rates)
}

/// One of which ever more is live, whatever its age.
fn risen(track: &Track, case: &Case<'_>, drift: &Drift) -> Judged {
    let rate_of = |of: fn(&Level) -> f64| {
        let points: Vec<_> = drift.points().iter().map(|(bin, level)| (case.place(*bin), of(level))).collect();
        rate(&points)
    };
    let live = Survivors::older_than(0, track, 0, case.last_bin());
    Judged::new(
        Course::Grows,
        &live,
        case,
        [rate_of(|level| level.allocations as f64), rate_of(|level| level.bytes as f64)],
    )
}

impl Judged {
    fn new(course: Course, kept: &Survivors<'_>, case: &Case<'_>, rates: [f64; 2]) -> Self {
        Self {
            course,
            generations: kept.generations() * case.moments.looks_per_generation(),
            kept: kept.cohorts.iter().map(|cohort| cohort.amount.allocations).sum(),
            devices: kept.cohorts.iter().fold(0, |all, cohort| all | cohort.devices),
            allocations_per_iteration: rates[0],
            bytes_per_iteration: rates[1],
        }
    }
}

/// What is added for good in an iteration, by the sums of it: the mean, unless a few steps dominate it.
fn rate(points: &[(f64, f64)]) -> f64 {
    let [(from, first), .., (to, last)] = points else { return 0.0 };
    let robust = theil_sen(points);
    let mean = (last - first) / (to - from);
    let rate = if (mean - robust).abs() <= robust * TYPICAL { mean } else { robust };
    if rate.is_finite() { rate } else { 0.0 }
}

/// How many generations a source keeps.
pub(super) fn generations_kept(track: &Track, case: &Case<'_>) -> u64 {
    let (first, last) = (case.first_bin(), case.last_bin());
    Survivors::older_than(Lifetime::of(track, first, last).surely, track, first, last).generations()
}

impl Case<'_> {
    /// The bin of what was born before the last look.
    pub(super) fn last_bin(&self) -> u32 {
        let current = self.moments.current_bin();
        if self.moments.is_between_bins() { current.saturating_sub(1) } else { current }
    }

    /// The first bin after the warm-up.
    pub(super) fn first_bin(&self) -> u32 {
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

    /// The first bin that is not over.
    pub(super) fn end(&self) -> u32 {
        self.last_bin() + u32::from(self.moments.is_between_bins())
    }

    /// How active a bin was, as a part of the usual.
    pub(super) fn activity(&self, bin: u32) -> f64 {
        if self.rules != Rules::Time {
            return 1.0;
        }
        let all: u64 = self.activity.iter().map(|one| one.events).sum();
        let events = self.activity.get(bin as usize).map_or(0, |one| one.events);
        events as f64 * self.activity.len() as f64 / all.max(1) as f64
    }
}

fn course(track: &Track, case: &Case<'_>, kept: &Survivors<'_>) -> Course {
    if case.rules != Rules::Time && is_steady(track, case, kept.end) {
        return Course::Grows;
    }
    let (Some(first), Some(last)) = (kept.cohorts.first(), kept.cohorts.last()) else {
        // What was born between two looks may be kept by each iteration, or by the first alone.
        let is_new = case.looks < FEWEST_SEEN && track.cohorts().iter().any(|cohort| cohort.bin > 0);
        return if is_new { Course::Undecided(Undecided::FewIterations) } else { Course::Baseline };
    };
    if case.looks < FEWEST_LOOKS {
        return Course::Undecided(Undecided::FewIterations);
    }
    if is_over(&kept.cohorts, case.first_bin(), kept.end) {
        return Course::Baseline;
    }
    if kept.generations() < if is_regular(case, &kept.cohorts) { ENOUGH_IF_REGULAR } else { ENOUGH } {
        return Course::Undecided(Undecided::FewGenerations);
    }
    if pause(&kept.cohorts, kept.end) > 1.0 {
        return Course::Undecided(Undecided::Paused);
    }
    if case.rules == Rules::Time {
        let slices = case.activity.iter().skip(first.bin as usize).take((last.bin - first.bin) as usize + 1);
        let frees = slices.clone().filter(|slice| slice.frees > 0).count();
        if (frees as f64) < slices.count() as f64 * REPEATS {
            return Course::Undecided(Undecided::NothingRepeats);
        }
    }
    if is_filling(track, case, &kept.cohorts, kept.end) {
        return Course::Undecided(Undecided::StillFilling);
    }
    let drift = Drift::of(track, case.first_bin(), case.end());
    // Until a cache is full, others become more as well.
    let is_elsewhere_less = Drift::later_and_later(track, case.first_bin(), case.end())
        .iter()
        .any(|drift| drift.is_elsewhere_less(&kept.cohorts, kept.end));
    if track.is_stack() && !drift.is_no_walk() || is_elsewhere_less {
        return Course::Undecided(Undecided::HardlyRises);
    }
    Course::Grows
}

/// Whether each so many iterations keep something.
fn is_regular(case: &Case<'_>, kept: &[&Cohort]) -> bool {
    case.rules == Rules::Marks && case.moments.bin_width() == 1 && gaps(kept).1 < REGULAR
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
