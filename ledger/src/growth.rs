//! Does it grow? What is live is looked at again and again at the same point of a loop (marks of one name, closes of one
//! device), and each source of memory is judged by whether it had more every time.
//!
//! The first interval is a warm-up: program caches fill in it. What rises in at least half of the later intervals, twice or
//! more, and never falls, grows; what stays as it is from then on is a baseline. Three looks are the fewest that can tell.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use crate::totals::is_count;

/// Series that are kept; a program that gives every mark a name of its own has no loop that could be judged.
const MAX_SERIES: usize = 512;
/// Sources that one series tells apart; the rest are in the sums by memory alone.
const MAX_SOURCES: usize = 8192;

/// Regions and their bytes, over all devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Amount {
    /// How many regions.
    pub regions: u64,
    /// Their bytes.
    pub bytes: u128,
}

impl Amount {
    /// One more region.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.add_all(Self { regions: 1, bytes: bytes.into() });
    }

    pub(crate) fn add_all(&mut self, more: Self) {
        self.regions += more.regions;
        self.bytes += more.bytes;
    }
}

/// What memory comes from, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// Which memory.
    pub memory: Memory,
    /// The call site, and bytes of a region, or `None` for regions of every size from there; `None` for all of the memory
    /// together. A site of which nothing is known (0) is told by size alone.
    pub part: Option<(u32, Option<u64>)>,
}

/// At which point a program was looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Point {
    /// At marks whose names are the same but for numbers, which are written as `#`.
    Marks(String),
    /// When this device was closed: what the close released.
    Closes(i32),
}

/// What a source does from look to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// More each time: a leak.
    Grows,
    /// There since the warm-up, and never more.
    Baseline,
    /// Now more, now less.
    Varies,
    /// More once, which may be the beginning of anything.
    RoseOnce,
    /// Fewer than three looks.
    TooFew,
}

/// One source in one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trend {
    /// Whose memory.
    pub source: Source,
    /// What it does.
    pub course: Course,
    /// What was live at the last look.
    pub last: Amount,
    /// What comes on top in an iteration, on average over those after the warm-up; nothing where it does not grow.
    pub per_iteration: Amount,
    /// Whether that is the same in each of them.
    pub is_steady: bool,
}

/// All looks at one point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Which point.
    pub point: Point,
    /// How often it was passed.
    pub looks: u64,
    /// What each source does, in the order of memories, sites and sizes; sources with nothing live at any look are left out.
    pub trends: Vec<Trend>,
}

/// The looks so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Growth {
    series: BTreeMap<Point, Looks>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Looks {
    count: u64,
    tracks: BTreeMap<Source, Track>,
}

/// One source over the looks of a series.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Track {
    last: Amount,
    /// At the end of the warm-up.
    base: Amount,
    rose_in_warm_up: bool,
    rises: u64,
    falls: u64,
    /// The rise of the latest interval, and whether all after the warm-up were the same.
    rise: Amount,
    is_uneven: bool,
    seen_in: u64,
}

impl Track {
    /// Look number `index`, from 0, finds `now`.
    fn look(&mut self, index: u64, now: Amount) {
        let before = self.last;
        self.last = now;
        self.seen_in = index;
        let fell = now.regions < before.regions || now.bytes < before.bytes;
        let rose = !fell && now != before;
        match index {
            0 => {}
            1 => {
                self.rose_in_warm_up = rose;
                self.base = now;
            }
            _ => {
                self.rises += u64::from(rose);
                self.falls += u64::from(fell);
                let rise = Amount {
                    regions: now.regions.saturating_sub(before.regions),
                    bytes: now.bytes.saturating_sub(before.bytes),
                };
                self.is_uneven |= index > 2 && rise != self.rise;
                self.rise = rise;
            }
        }
    }

    fn course(&self, looks: u64) -> Course {
        match looks {
            0..=2 => Course::TooFew,
            _ if self.falls > 0 => Course::Varies,
            _ if self.rises == 0 => Course::Baseline,
            // One later interval alone: the warm-up must have been the same.
            3 if self.rose_in_warm_up => Course::Grows,
            _ if self.rises == 1 => Course::RoseOnce,
            _ if self.rises >= (looks - 2) / 2 => Course::Grows,
            _ => Course::RoseOnce,
        }
    }

    fn trend(&self, source: Source, looks: u64) -> Trend {
        let course = self.course(looks);
        let intervals = looks.saturating_sub(2).max(1);
        let per_iteration = if course == Course::Grows {
            Amount {
                regions: self.last.regions.saturating_sub(self.base.regions).div_ceil(intervals),
                bytes: self.last.bytes.saturating_sub(self.base.bytes).div_ceil(u128::from(intervals)),
            }
        } else {
            Amount::default()
        };
        Trend { source, course, last: self.last, per_iteration, is_steady: !self.is_uneven }
    }
}

impl Growth {
    /// One look: `live` has the memory, site and bytes of each region.
    pub(crate) fn look(&mut self, point: Point, live: impl Iterator<Item = (Memory, u32, u64)>) {
        if self.series.len() >= MAX_SERIES && !self.series.contains_key(&point) {
            return;
        }
        // Many regions, mostly of few kinds.
        let mut kinds: HashMap<(Memory, u32, u64), u64, RandomState> = HashMap::default();
        live.for_each(|kind| *kinds.entry(kind).or_default() += 1);
        let mut now: BTreeMap<Source, Amount> = BTreeMap::new();
        for ((memory, site, bytes), regions) in kinds {
            let amount = Amount { regions, bytes: u128::from(bytes) * u128::from(regions) };
            let mut add = |part| now.entry(Source { memory, part }).or_default().add_all(amount);
            add(None);
            add(Some((site, Some(bytes))));
            if site != 0 {
                add(Some((site, None)));
            }
        }
        let looks = self.series.entry(point).or_default();
        let index = looks.count;
        looks.count += 1;
        for (source, amount) in now {
            let is_known = looks.tracks.contains_key(&source);
            if is_known || looks.tracks.len() < MAX_SOURCES || source.part.is_none() {
                looks.tracks.entry(source).or_default().look(index, amount);
            }
        }
        for track in looks.tracks.values_mut().filter(|track| index > 0 && track.seen_in < index) {
            track.look(index, Amount::default());
        }
    }

    /// The call sites of all sources.
    pub(crate) fn sites(&self) -> impl Iterator<Item = u32> {
        self.series.values().flat_map(|looks| looks.tracks.keys()).filter_map(|source| Some(source.part?.0))
    }

    /// Whether what was read from a file is what events can give.
    pub(crate) fn is_sound(&self) -> bool {
        let is_sound = |track: &Track| [track.rises, track.falls, track.seen_in].into_iter().all(is_count);
        self.series.len() <= MAX_SERIES
            && self.series.values().all(|looks| is_count(looks.count) && looks.tracks.values().all(is_sound))
    }

    /// What every series says.
    pub(crate) fn series(&self) -> Vec<Series> {
        let series = self.series.iter().filter(|(_, looks)| !looks.tracks.is_empty());
        series
            .map(|(point, looks)| Series {
                point: point.clone(),
                looks: looks.count,
                trends: looks.tracks.iter().map(|(&source, track)| track.trend(source, looks.count)).collect(),
            })
            .collect()
    }
}

/// Judges looks that were made elsewhere, one list of memories, call sites (by numbers that mean the same in all of them) and
/// sizes each: runs of the same program, say.
pub fn judge(looks: &[Vec<(Memory, u32, u64)>]) -> Series {
    let point = Point::Marks(String::new());
    let mut growth = Growth::default();
    for look in looks {
        growth.look(point.clone(), look.iter().copied());
    }
    let empty = Series { point, looks: looks.len() as u64, trends: Vec::new() };
    growth.series().pop().unwrap_or(empty)
}

/// The name of a mark's series: each number in it, which may count iterations, is written as `#`.
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

    fn course(looks: &[u64]) -> Course {
        let mut track = Track::default();
        for (index, &regions) in looks.iter().enumerate() {
            track.look(index as u64, Amount { regions, bytes: u128::from(regions) * 10 });
        }
        track.course(looks.len() as u64)
    }

    #[test]
    fn what_rises_each_time_grows_and_what_stays_is_a_baseline() {
        for (looks, expected) in [
            (&[3, 11][..], Course::TooFew),
            (&[0, 3, 3], Course::Baseline),
            (&[0, 3, 3, 3], Course::Baseline),
            (&[5, 5, 5], Course::Baseline),
            (&[1, 2, 3], Course::Grows),
            (&[1, 1, 2], Course::RoseOnce),
            (&[0, 8, 9, 10, 11], Course::Grows),
            (&[0, 8, 8, 9, 9, 10, 10], Course::Grows),
            (&[0, 8, 9, 9, 9, 9], Course::RoseOnce),
            (&[0, 8, 9, 9, 9, 9, 9, 9, 10], Course::RoseOnce),
            (&[0, 8, 9, 8, 9], Course::Varies),
            (&[9, 8, 8, 8], Course::Baseline),
        ] {
            assert_eq!(course(looks), expected, "{looks:?}");
        }
    }

    #[test]
    fn a_leak_beside_a_cache_is_told_apart_with_its_rate() {
        let mut growth = Growth::default();
        for iteration in 0..5_u64 {
            let cache = (0..3).map(|_| (Memory::Dram, 0, 4096));
            let leak = (0..iteration * 8).map(|_| (Memory::Dram, 0, 4608));
            growth.look(Point::Marks("iteration #".into()), cache.chain(leak));
        }
        let [series] = &growth.series()[..] else { panic!("one series") };
        let trend = |part| series.trends.iter().find(|trend| trend.source.part == part).unwrap();
        assert_eq!((series.looks, trend(Some((0, Some(4096)))).course), (5, Course::Baseline));
        let leak = trend(Some((0, Some(4608))));
        assert_eq!((leak.course, leak.is_steady), (Course::Grows, true));
        assert_eq!(leak.per_iteration, Amount { regions: 8, bytes: 36_864 });
        assert_eq!(trend(None).per_iteration, leak.per_iteration);
    }

    #[test]
    fn a_cache_that_is_keyed_by_shape_grows_as_a_whole() {
        let mut growth = Growth::default();
        for iteration in 0..6_u64 {
            growth.look(Point::Marks("step".into()), (0..=iteration).map(|at| (Memory::L1, 0, 32 * (at + 1))));
        }
        let series = growth.series();
        let grows: Vec<_> = series[0].trends.iter().filter(|trend| trend.course == Course::Grows).collect();
        assert_eq!(grows.len(), 1);
        assert_eq!((grows[0].source.part, grows[0].is_steady), (None, false));
    }

    #[test]
    fn and_is_found_by_its_site_where_that_is_known() {
        let mut growth = Growth::default();
        for iteration in 0..6_u64 {
            let cache = (0..=iteration).map(|at| (Memory::Dram, 7, 32 * (at + 1)));
            let steady = (0..3).map(|_| (Memory::Dram, 8, 64));
            growth.look(Point::Marks("step".into()), cache.chain(steady));
        }
        let series = growth.series();
        let course = |part| series[0].trends.iter().find(|trend| trend.source.part == part).unwrap().course;
        assert_eq!((course(Some((7, None))), course(Some((8, None)))), (Course::Grows, Course::Baseline));
        assert_ne!(course(Some((7, Some(32)))), Course::Grows);
    }

    #[test]
    fn names_that_differ_in_numbers_are_one_series() {
        assert_eq!(series_name("iteration 12 of 300"), "iteration # of #");
        assert_eq!(series_name("warm-up"), "warm-up");
    }
}
