//! What a loop says: the words of the verdict.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

/// Allocations and their bytes, over all devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Amount {
    /// How many allocations.
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u128,
}

impl Amount {
    /// One more allocation.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.add_all(Self { allocations: 1, bytes: bytes.into() });
    }

    pub(crate) fn add_all(&mut self, more: Self) {
        self.allocations += more.allocations;
        self.bytes += more.bytes;
    }
}

/// What memory comes from, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// Which memory.
    pub memory: Memory,
    /// The call site; 0 stands for all allocations whose call site is not known.
    pub site: u32,
    /// Bytes of one allocation; `None` for allocations of any size from that site.
    pub size: Option<u64>,
    /// Whether the program cache holds it.
    pub cached: bool,
}

/// Where a program was looked at again and again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Point {
    /// At marks whose names are the same but for numbers, which are written as `#`.
    Marks(String),
    /// When this device was closed: what the close released.
    Closes(i32),
    /// From time to time; an iteration is a slice of the run.
    Time,
}

/// Why a source is undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Undecided {
    /// Too few looks for any verdict.
    FewIterations,
    /// Some generations are kept, but fewer than prove growth.
    FewGenerations,
    /// New allocations become rarer, or may do so: a cache that still fills looks the same.
    StillFilling,
    /// It grew, and has not for longer than usual.
    Paused,
    /// By time alone: nothing was freed meanwhile, so nothing repeats; a program that loads looks the same.
    NothingRepeats,
    /// Old ones stay, but what is live hardly rises: in a stack, or a cache with a limit.
    HardlyRises,
    /// No more are live than before, but each is larger than the one that it replaces.
    SizesRise,
}

/// What a source does over the iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Course {
    /// It keeps allocations of ever more generations: a leak, unless the program cache holds them.
    Grows,
    /// It is bounded.
    Baseline,
    /// It may be either.
    Undecided(Undecided),
}

/// One source in one loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// Whose memory.
    pub source: Source,
    /// What it does.
    pub course: Course,
    /// What was live at the last look.
    pub live: Amount,
    /// Allocations that an iteration adds for good; 0 unless it grows.
    pub allocations_per_iteration: f64,
    /// Bytes that an iteration adds for good; 0 unless it grows.
    pub bytes_per_iteration: f64,
    /// Iterations after the warm-up whose allocations are still live, and older than such allocations usually become.
    pub generations: u64,
    /// The allocations of these generations that are live.
    pub births_kept: u64,
    /// Allocations that the source made after the warm-up.
    pub births: u64,
    /// Devices on which those that are kept lie; on which it is live at all if none is kept.
    pub devices: Vec<i32>,
}

/// One loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Which point.
    pub point: Point,
    /// How often it was passed.
    pub looks: u64,
    /// Iterations between the first look and the last.
    pub iterations: u64,
    /// Ticks from the first look to the last.
    pub ticks: u64,
    /// What each source does, by memory, site, size.
    pub trends: Vec<Trend>,
}

impl Series {
    /// What leaks, each byte once: by size where one size explains it, else by site with any size. What the program cache
    /// holds is left out.
    pub fn leaks(&self) -> Vec<&Trend> {
        growing(&self.trends, false)
    }

    /// What the program cache holds and grows, each byte once.
    pub fn cached_growth(&self) -> Vec<&Trend> {
        growing(&self.trends, true)
    }
}

/// The part of a site's growth that one size must explain.
const EXPLAINED: f64 = 0.9;

/// What grows at one call site.
#[derive(Default)]
struct OfSite<'a> {
    any_size: Option<&'a Trend>,
    sizes: Vec<&'a Trend>,
}

fn growing(trends: &[Trend], cached: bool) -> Vec<&Trend> {
    let mut of_site: BTreeMap<(Memory, u32), OfSite<'_>> = BTreeMap::new();
    for trend in trends.iter().filter(|trend| trend.course == Course::Grows && trend.source.cached == cached) {
        let of_site = of_site.entry((trend.source.memory, trend.source.site)).or_default();
        match trend.source.size {
            None => of_site.any_size = Some(trend),
            Some(_) => of_site.sizes.push(trend),
        }
    }
    let mut all = Vec::new();
    for OfSite { any_size, sizes } in of_site.into_values() {
        match (any_size, &sizes[..]) {
            (Some(any), [size]) if size.bytes_per_iteration >= EXPLAINED * any.bytes_per_iteration => all.push(*size),
            (Some(any), _) => all.push(any),
            (None, _) => all.extend(sizes),
        }
    }
    all
}
