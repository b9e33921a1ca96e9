//! Stands in for the ledger's new rule until it is merged.
#![allow(missing_docs)]

use ttmem_wire::Memory;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    Marks(String),
    Closes(i32),
    Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    FewIterations,
    FewGenerations,
    StillFilling,
    Paused,
    NothingRepeats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    Grows,
    Baseline,
    Undecided(Undecided),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    pub memory: Memory,
    pub site: u32,
    pub size: Option<u64>,
    pub cached: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    pub allocations: u64,
    pub bytes: u128,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    pub source: Source,
    pub course: Course,
    pub live: Live,
    pub allocations_per_iteration: f64,
    pub bytes_per_iteration: f64,
    pub generations: u64,
    pub births_kept: u64,
    pub births: u64,
    pub devices: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub point: Point,
    pub looks: u64,
    pub iterations: u64,
    pub ticks: u64,
    pub trends: Vec<Trend>,
}

impl Series {
    pub fn leaks(&self) -> Vec<&Trend> {
        let growing = || self.trends.iter().filter(|trend| trend.course == Course::Grows);
        let is_site = |one: &Trend, other: &Trend| {
            (one.source.memory, one.source.site) == (other.source.memory, other.source.site)
        };
        let has_size = |trend: &Trend| growing().any(|other| other.source.size.is_some() && is_site(other, trend));
        growing().filter(|trend| trend.source.size.is_some() || !has_size(trend)).collect()
    }

    pub fn cached_growth(&self) -> Vec<&Trend> {
        Vec::new()
    }
}

pub(super) fn of(series: Vec<ttmem_ledger::Series>) -> Vec<Series> {
    series.into_iter().map(one).collect()
}

fn one(series: ttmem_ledger::Series) -> Series {
    let looks = series.looks;
    let trend = |trend: ttmem_ledger::Trend| {
        let (site, size) = trend.source.part?;
        let course = match trend.course {
            ttmem_ledger::Course::Grows => Course::Grows,
            ttmem_ledger::Course::Baseline => Course::Baseline,
            ttmem_ledger::Course::TooFew => Course::Undecided(Undecided::FewIterations),
            ttmem_ledger::Course::RoseOnce => Course::Undecided(Undecided::FewGenerations),
            ttmem_ledger::Course::Varies => Course::Baseline,
        };
        Some(Trend {
            source: Source { memory: trend.source.memory, site, size, cached: false },
            course,
            live: Live { allocations: trend.last.regions, bytes: trend.last.bytes },
            allocations_per_iteration: trend.per_iteration.regions as f64,
            bytes_per_iteration: trend.per_iteration.bytes as f64,
            generations: looks.saturating_sub(2),
            births_kept: trend.last.regions,
            births: trend.last.regions,
            devices: vec![0],
        })
    };
    Series {
        point: match series.point {
            ttmem_ledger::Point::Marks(name) => Point::Marks(name),
            ttmem_ledger::Point::Closes(device) => Point::Closes(device),
        },
        looks,
        iterations: looks.saturating_sub(1),
        ticks: 0,
        trends: series.trends.into_iter().filter_map(trend).collect(),
    }
}

pub(super) fn judge(looks: &[Vec<(Memory, u32, u64)>]) -> Series {
    one(ttmem_ledger::judge(looks))
}
