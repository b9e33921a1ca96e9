//! Does it grow? Each loop that was looked at, and what every source of memory does in it.
//!
//! The ledger's rule (surviving generations) gives each source its course. Here sources get their call sites, devices that are
//! alike become one loop, and a loop gets its verdict. See [`ttmem_ledger::Series`].

use std::{cmp::Reverse, sync::Arc};

use ttmem_ledger::{Course, Point, Series};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{alike::alike, allocation::Held, sites::CallSites};
use crate::sites::CallSite;

/// Sources that are listed of a loop: what grows first.
const LISTED: usize = 1000;

/// Where a loop was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Loop {
    /// At marks of this name, in which numbers are `#`.
    Marks(String),
    /// At closes of these devices, each alike.
    Closes(Vec<i32>),
    /// At the ends of runs of this command.
    Runs(String),
    /// From time to time.
    Time,
}

/// One loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// Where it was looked at.
    pub point: Loop,
    /// How often.
    pub looks: u64,
    /// Iterations between the first look and the last.
    pub iterations: u64,
    /// From the first look to the last, in ns; 0 where it is not known.
    pub span_ns: u64,
    /// What is live at the last look.
    pub live: Held,
    /// What each source does: what grows first, then the largest first.
    pub sources: Vec<GrowthSource>,
}

/// One source of memory in a loop.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowthSource {
    /// Which memory.
    pub memory: Memory,
    /// The call site; without frames where it is not known.
    pub site: Arc<CallSite>,
    /// Bytes of one allocation; `None` for those of every size from there.
    pub size: Option<u64>,
    /// Held by the program cache.
    pub cached: bool,
    /// What it does.
    pub course: Course,
    /// Live at the last look.
    pub live: Held,
    /// Allocations that stay, in an iteration.
    pub allocations_per_iteration: f64,
    /// Their bytes.
    pub bytes_per_iteration: f64,
    /// Iterations of which allocations are still live, those of the warm-up left out.
    pub generations: u64,
    /// Allocations that stayed, of those that were made.
    pub births_kept: u64,
    /// Allocations that were made.
    pub births: u64,
    /// Where the survivors are.
    pub devices: Vec<i32>,
    /// Whether it is the one that reports its bytes: by size where one size explains them, else by call site.
    pub is_reported: bool,
    /// The rule of the suppression file that covers it, by its place there.
    pub suppressed_by: Option<usize>,
}

impl GrowthSource {
    /// Whether it grows, and reports its bytes.
    pub fn grows(&self) -> bool {
        self.is_reported && self.course == Course::Grows
    }

    /// Whether it is a leak: it grows, and neither the program cache nor a suppression answers for it.
    pub fn is_leak(&self) -> bool {
        self.grows() && !self.cached && self.suppressed_by.is_none()
    }

    fn is_judged(&self) -> bool {
        !self.cached && self.suppressed_by.is_none()
    }
}

impl Growth {
    /// Whether this is no question for slices of time any more: marks or closes decide it, or are enough to know better.
    fn settles(&self) -> bool {
        let is_decided = !matches!(self.course(), Course::Undecided(_));
        self.point != Loop::Time && (is_decided || self.iterations >= ENOUGH_TO_KNOW)
    }

    /// The leaks, largest rate first.
    pub fn leaks(&self) -> impl Iterator<Item = &GrowthSource> {
        self.sources.iter().filter(|source| source.is_leak())
    }

    /// What the program cache has more and more of.
    pub fn cache_growth(&self) -> impl Iterator<Item = &GrowthSource> {
        self.sources.iter().filter(|source| source.grows() && source.cached)
    }

    /// The loop as a whole: it grows where something leaks; it is undecided where a source is, for the reason of the one that
    /// kept most.
    pub fn course(&self) -> Course {
        if self.leaks().next().is_some() {
            return Course::Grows;
        }
        let judged = self.sources.iter().filter(|source| source.size.is_none() && source.is_judged());
        let undecided = judged.filter(|source| matches!(source.course, Course::Undecided(_)));
        undecided.min_by_key(|source| Reverse(source.generations)).map_or(Course::Baseline, |source| source.course)
    }

    /// What all leaks add in an iteration: allocations and bytes.
    pub fn rate(&self) -> (f64, f64) {
        self.leaks().fold((0.0, 0.0), |(allocations, bytes), leak| {
            (allocations + leak.allocations_per_iteration, bytes + leak.bytes_per_iteration)
        })
    }

    /// Whether each iteration after the warm-up kept as much as the next.
    pub fn is_steady(&self) -> bool {
        let is_whole = |rate: f64| (rate - rate.round()).abs() < 1e-9;
        self.leaks().all(|leak| is_whole(leak.allocations_per_iteration) && leak.generations + 1 >= self.iterations)
    }

    /// Bytes that stay in a second, where time is known.
    pub fn bytes_per_second(&self) -> Option<f64> {
        let (_, bytes) = self.rate();
        (self.span_ns > 0).then(|| bytes * self.iterations as f64 / (self.span_ns as f64 / 1e9))
    }
}

/// The loops of one process; devices that were closed alike are one.
pub(super) fn loops(series: &[Series], clock: &ClockMap, sites: &CallSites<'_>) -> Vec<Growth> {
    // A single look is no loop, and the sums have it already.
    let looked = series.iter().filter(|series| series.looks > 1);
    let loops = looked.map(|series| one(series, nanoseconds(clock, series.ticks), &|site| sites.of(site)));
    let device = |growth: &Growth| match &growth.point {
        Loop::Closes(devices) => devices.first().copied().unwrap_or(0),
        _ => 0,
    };
    // What is alike on two devices has its own device in each.
    let key = |growth: &Growth| {
        let sources = growth.sources.iter().map(|source| {
            (
                (source.memory, Arc::as_ptr(&source.site) as usize, source.size, source.cached),
                (source.live.allocations, source.live.bytes, source.generations),
                source.bytes_per_iteration.to_bits(),
            )
        });
        let name = match &growth.point {
            Loop::Closes(_) => None,
            other => Some(other.clone()),
        };
        (name, growth.looks, sources.collect::<Vec<_>>())
    };
    let merged = alike(loops, device, key).into_iter().map(|group| {
        let mut growth = group.first;
        if let Loop::Closes(devices) = &mut growth.point {
            for source in growth.sources.iter_mut().filter(|source| !source.devices.is_empty()) {
                source.devices.clone_from(&group.devices);
            }
            *devices = group.devices;
        }
        growth
    });
    merged.collect()
}

/// Leaves out slices of time where marks or closes settle the question. Suppressed sources count for neither.
pub(super) fn settle(loops: &mut Vec<Growth>) {
    if loops.iter().any(Growth::settles) {
        loops.retain(|growth| growth.point != Loop::Time);
    }
}

/// So many iterations that a program names are the loop, though they decide nothing.
const ENOUGH_TO_KNOW: u64 = 20;

/// One series as a loop.
pub(super) fn one(series: &Series, span_ns: u64, site: &dyn Fn(u32) -> Arc<CallSite>) -> Growth {
    let reported: Vec<_> = series.leaks().into_iter().chain(series.cached_growth()).collect();
    let mut sources: Vec<GrowthSource> = series
        .trends
        .iter()
        .map(|trend| GrowthSource {
            memory: trend.source.memory,
            site: site(trend.source.site),
            size: trend.source.size,
            cached: trend.source.cached,
            course: trend.course,
            live: trend.live.into(),
            allocations_per_iteration: trend.allocations_per_iteration,
            bytes_per_iteration: trend.bytes_per_iteration,
            generations: trend.generations,
            births_kept: trend.births_kept,
            births: trend.births,
            devices: trend.devices.clone(),
            is_reported: reported.iter().any(|leak| leak.source == trend.source),
            suppressed_by: None,
        })
        .collect();
    let mut live = Held::default();
    // Each allocation is in the source of its call site, and in that of its size.
    sources
        .iter()
        .filter(|source| source.size.is_none())
        .for_each(|source| live.add(source.live.allocations, source.live.bytes));
    sources.sort_by(|one, other| {
        let order = |source: &GrowthSource| (!source.is_reported, source.course != Course::Grows);
        (order(one).cmp(&order(other)))
            .then(other.bytes_per_iteration.total_cmp(&one.bytes_per_iteration))
            .then(other.live.bytes.cmp(&one.live.bytes))
    });
    sources.truncate(LISTED);
    let point = match &series.point {
        Point::Marks(name) => Loop::Marks(name.clone()),
        Point::Closes(device) => Loop::Closes(vec![*device]),
        Point::Time => Loop::Time,
    };
    Growth { point, looks: series.looks, iterations: series.iterations, span_ns, live, sources }
}

fn nanoseconds(clock: &ClockMap, ticks: u64) -> u64 {
    let [(first, first_ns), (later, later_ns)] = clock.points();
    let (delta, delta_ns) = (later.saturating_sub(first).max(1), later_ns.saturating_sub(first_ns));
    u64::try_from(u128::from(ticks) * u128::from(delta_ns) / u128::from(delta)).unwrap_or(u64::MAX)
}

#[cfg(test)]
impl Growth {
    /// One for tests: 40 looks, and one source of 1 KiB with this course, which keeps one allocation an iteration if it grows.
    pub(crate) fn example(point: Loop, course: Course) -> Self {
        let rate = if course == Course::Grows { 1.0 } else { 0.0 };
        let live = Held { allocations: 39, bytes: 39 * 1024 };
        let source = GrowthSource {
            memory: Memory::Dram,
            site: Arc::default(),
            // What grows is reported by its size; a loop is undecided where a source of any size is.
            size: (course == Course::Grows).then_some(1024),
            cached: false,
            course,
            live,
            allocations_per_iteration: rate,
            bytes_per_iteration: rate * 1024.0,
            generations: 38,
            births_kept: 38,
            births: 38,
            devices: vec![0],
            is_reported: course == Course::Grows,
            suppressed_by: None,
        };
        Self { point, looks: 40, iterations: 39, span_ns: 39_000_000_000, live, sources: vec![source] }
    }
}
