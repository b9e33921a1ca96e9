//! What stands at the top beside the verdict, by the same analysis as the text: growth and its sources, and regions.

use serde::Serialize;
use ttmem_ledger::narrow;

use super::number::Number;
use crate::{
    CallSite,
    analysis::{Growth, GrowthSource, ProcessAnalysis, RegionsOfName, regions_by_name},
    report::{growth_sentence, growth_source},
};

/// Sources of growth that a loop lists.
const SOURCES: usize = 12;
/// Regions that are drawn into the timeline; the first ones.
const BANDS: usize = 5_000;

/// A loop, and what grows in it.
#[derive(Debug, Serialize)]
pub(super) struct GrowthRow {
    text: String,
    grows: bool,
    sources: Vec<SourceRow>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct SourceRow {
    text: String,
    /// Its op and its frames, innermost first.
    site: Vec<String>,
}

/// The regions of the program of one name.
#[derive(Debug, Serialize)]
pub(super) struct RegionRow {
    name: String,
    times: Number,
    /// Of the memory of a device that had most added: the most that was live there, and which memory.
    peak: Number,
    /// What of it they added, at most.
    added: Number,
    memory: String,
    /// Bytes that they added for good, over all devices.
    growth: i64,
    left: Number,
    left_buffers: Number,
}

/// A region, or several, as a band of the timeline.
#[derive(Debug, Serialize)]
pub(super) struct Band {
    /// Its place in the rows of regions.
    name: usize,
    from: f64,
    /// `None` while it is open.
    to: Option<f64>,
    depth: u32,
}

pub(super) fn growth(process: &ProcessAnalysis) -> Vec<GrowthRow> {
    process.growth.iter().map(GrowthRow::new).collect()
}

impl GrowthRow {
    fn new(growth: &Growth) -> Self {
        let growing = || growth.sources.iter().filter(|source| source.grows() && !source.cached);
        Self {
            text: growth_sentence(growth),
            grows: growing().next().is_some(),
            sources: growing().take(SOURCES).map(|source| SourceRow::new(growth, source)).collect(),
            more: growing().count().saturating_sub(SOURCES),
        }
    }
}

impl SourceRow {
    fn new(growth: &Growth, source: &GrowthSource) -> Self {
        Self { text: growth_source(growth, source), site: frames(&source.site) }
    }
}

fn frames(site: &CallSite) -> Vec<String> {
    site.op.iter().map(|op| op.to_string()).chain(site.texts()).collect()
}

/// Regions by name, and where each lies in time.
pub(super) fn regions(process: &ProcessAnalysis, ms: impl Fn(u64) -> f64) -> (Vec<RegionRow>, Vec<Band>) {
    let rows = regions_by_name(&process.regions);
    let band = |region: &crate::analysis::Region| Band {
        name: rows.iter().position(|row| row.name == region.name).unwrap_or(0),
        from: ms(region.begin_ns),
        to: region.end_ns.map(&ms),
        depth: region.depth,
    };
    let bands = process.regions.iter().take(BANDS).map(band).collect();
    (rows.iter().map(RegionRow::new).collect(), bands)
}

impl RegionRow {
    fn new(of: &RegionsOfName<'_>) -> Self {
        let (memory, peak, added) =
            of.peak.map_or((String::new(), 0, 0), |(memory, peak, added)| (memory.to_string(), peak, added));
        let growth = i64::try_from(narrow(of.growth.unsigned_abs())).unwrap_or(i64::MAX);
        Self {
            name: of.name.to_owned(),
            times: Number(of.times),
            peak: Number(peak),
            added: Number(added),
            memory,
            growth: if of.growth < 0 { -growth } else { growth },
            left: Number(of.left.bytes),
            left_buffers: Number(of.left.allocations),
        }
    }
}
