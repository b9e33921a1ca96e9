//! Whether what is live of a source goes up for good, wherever its old and its young ones go.
//!
//! A queue whose consumer is too slow keeps nothing for ever, and still has ever more. So the live allocations are followed
//! over the run. The rival is a random walk: its distance from where it began is measured in its own steps, as a
//! self-normalized sum (Efron 1969), which knows no scale.

use super::{census::Cohort, filling::Decline, history::Level, track::Track};

/// A rise of so many standard deviations is no walk.
const RISES: f64 = 3.3;
/// A rise by so much may be one.
const MAY_RISE: f64 = 2.0;
/// The largest fall on the way, as a part of the rise.
const FALL: f64 = 0.25;
const FALL_OF_LIKELY: f64 = 0.5;
/// What the last third adds against what a third before did, and the last sixth against the mean.
const LATE: f64 = 0.5;
const LATEST: f64 = 0.25;
/// The part of the run in which caches and rings fill.
const FILLS: f64 = 0.2;
const FILLS_SLOWLY: f64 = 0.5;
/// The others become fewer by so much of what is kept, and surely by half of that.
const INSTEAD: f64 = 0.9;
const INSTEAD_DEVIATIONS: f64 = 3.0;
/// Points that a verdict takes.
const FEWEST: usize = 9;
/// Generations that more are live of at the end.
const ENOUGH: f64 = 6.0;

/// Levels after a source's caches have filled.
#[derive(Debug)]
pub(super) struct Drift {
    points: Vec<(u32, Level)>,
}

impl Drift {
    /// From `first` on; `end` is the first bin that is not over.
    pub(super) fn of(track: &Track, first: u32, end: u32) -> Self {
        Self { points: track.history().before(end).filter(|&(bin, _)| bin >= first).collect() }
    }

    /// The same without the part of the run in which caches and rings fill.
    pub(super) fn after_filling(track: &Track, first: u32, end: u32) -> Self {
        Self::after(FILLS, track, first, end)
    }

    /// The same of the whole run, and without ever more of its begin.
    pub(super) fn later_and_later(track: &Track, first: u32, end: u32) -> [Self; 3] {
        [0.0, FILLS, FILLS_SLOWLY].map(|part| Self::after(part, track, first, end))
    }

    fn after(part: f64, track: &Track, first: u32, end: u32) -> Self {
        Self::of(track, first.max((f64::from(end) * part) as u32), end)
    }

    pub(super) fn points(&self) -> &[(u32, Level)] {
        &self.points
    }

    /// Whether ever more is live, though something dies all the time.
    pub(super) fn rises(&self) -> bool {
        self.is_long_enough()
            && self.deviations(allocations) >= RISES
            && self.falls_less_than(FALL, allocations)
            && self.dies_in_each_third()
            && self.rise(generations) >= ENOUGH
            && [generations, allocations].into_iter().all(|of| self.goes_on(of))
            && Decline::of_births(&self.points).is_surely_excluded()
    }

    /// Whether that is likely.
    pub(super) fn may_rise(&self) -> bool {
        self.is_long_enough()
            && self.deviations(allocations) >= MAY_RISE
            && self.falls_less_than(FALL_OF_LIKELY, allocations)
            && self.dies_in_each_third()
            && self.rise(generations) >= ENOUGH / 2.0
    }

    /// Whether each allocation is larger than the one that it replaces, to the end: not more are live, but ever more bytes.
    pub(super) fn sizes_rise(&self) -> bool {
        self.is_long_enough()
            && self.deviations(size) >= RISES
            && self.falls_less_than(FALL, size)
            && self.dies_in_each_third()
            && self.goes_on(size)
            && self.rise(bytes) > 0.0
    }

    /// Whether a stack that goes up and down at random hardly gets here.
    pub(super) fn is_no_walk(&self) -> bool {
        self.is_long_enough() && self.deviations(allocations) >= RISES
    }

    /// Whether as much as is kept is missing elsewhere: a cache with a limit keeps what is often used. What is too young to be
    /// kept counts as what is older, so `end` is the bin of the youngest that could be.
    pub(super) fn is_elsewhere_less(&self, kept: &[&Cohort], end: i64) -> bool {
        let Some(first) = kept.first() else { return false };
        let all: u64 = kept.iter().map(|cohort| cohort.amount.allocations).sum();
        let rate = all as f64 / (end - i64::from(first.bin) + 1) as f64;
        let mut among = kept.iter().peekable();
        let mut sum = 0;
        let points = self.points.iter().filter(|&&(bin, _)| bin >= first.bin);
        let parts = points.map(|&(bin, level)| {
            while let Some(cohort) = among.next_if(|cohort| cohort.bin <= bin) {
                sum += cohort.amount.allocations;
            }
            let of_kept = sum as f64 + (f64::from(bin) - end as f64).max(0.0) * rate;
            (of_kept, allocations(&level) - of_kept)
        });
        let (of_kept, others): (Vec<f64>, Vec<f64>) = parts.unzip();
        if others.len() < FEWEST {
            return false;
        }
        // What is often used is kept fast at first, so both are measured by the same line.
        let (rise, _) = trend(&of_kept);
        let (change, deviation) = trend(&others);
        change < -INSTEAD * rise && change + INSTEAD_DEVIATIONS * deviation < -INSTEAD / 2.0 * rise
    }

    fn is_long_enough(&self) -> bool {
        self.points.len() >= FEWEST
    }

    fn rise(&self, of: fn(&Level) -> f64) -> f64 {
        match &self.points[..] {
            [(_, first), .., (_, last)] => of(last) - of(first),
            _ => 0.0,
        }
    }

    /// The rise in standard deviations of a walk with such steps.
    fn deviations(&self, of: fn(&Level) -> f64) -> f64 {
        let steps = self.points.windows(2).map(|pair| of(&pair[1].1) - of(&pair[0].1));
        let variance: f64 = steps.map(|step| step * step).sum();
        if variance == 0.0 { 0.0 } else { self.rise(of) / variance.sqrt() }
    }

    /// No fall is larger than so much of the rise.
    fn falls_less_than(&self, part: f64, of: fn(&Level) -> f64) -> bool {
        let (mut highest, mut fall) = (0.0_f64, 0.0_f64);
        for (_, level) in &self.points {
            highest = highest.max(of(level));
            fall = fall.max(highest - of(level));
        }
        fall <= part * self.rise(of)
    }

    /// What each third of the run adds.
    fn thirds(&self, of: fn(&Level) -> f64) -> [f64; 3] {
        let last = self.points.len() - 1;
        let at = |third: usize| of(&self.points[last * third / 3].1);
        [0, 1, 2].map(|third| at(third + 1) - at(third))
    }

    fn dies_in_each_third(&self) -> bool {
        self.thirds(|level| level.died as f64).iter().all(|&died| died > 0.0)
    }

    /// Whether the last third adds about as much as those before, and does so to its end.
    fn goes_on(&self, of: fn(&Level) -> f64) -> bool {
        let [first, second, third] = self.thirds(of);
        // A level is the least of its stretch, so growth shows in the next one.
        let last = self.points.len() - 1;
        let last_sixth = of(&self.points[last].1) - of(&self.points[last * 5 / 6 + 1].1);
        third >= LATE * (first + second) / 2.0 && last_sixth >= LATEST * self.rise(of) / 6.0
    }
}

fn generations(level: &Level) -> f64 {
    level.generations as f64
}

fn allocations(level: &Level) -> f64 {
    level.allocations as f64
}

fn bytes(level: &Level) -> f64 {
    level.bytes as f64
}

fn size(level: &Level) -> f64 {
    bytes(level) / allocations(level).max(1.0)
}

/// The change from the first to the last by a straight line, and its standard deviation.
fn trend(series: &[f64]) -> (f64, f64) {
    let count = series.len() as f64;
    let mean = series.iter().sum::<f64>() / count;
    let place = |at: usize| (at as f64 + 0.5) / count - 0.5;
    let spread: f64 = (0..series.len()).map(|at| place(at).powi(2)).sum();
    let covariance: f64 = series.iter().enumerate().map(|(at, one)| place(at) * (one - mean)).sum();
    let change = covariance / spread;
    let rest: f64 = series.iter().enumerate().map(|(at, one)| (one - mean - change * place(at)).powi(2)).sum();
    (change, (rest / (count - 2.0) / spread).sqrt())
}
