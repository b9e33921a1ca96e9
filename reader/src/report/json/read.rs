//! From a report in JSON back to what was analysed: reports are compared, and judged anew with other suppressions.

use std::sync::Arc;

use ttmem_ledger::{Anomalies, Facts, State};
use ttmem_wire::{Memory, OnCore, Part};

use super::{
    AllocationReport, EndedReport, GrowthReport, ProcessReport, Report, SourceReport, SpanReport,
    allocation::STATES,
    growth::REASONS,
    process::{UNKNOWN_POOLS, UNREADABLE, WITHOUT_MEMORY},
};
use crate::{
    Counts, Ended, SiteStyle,
    analysis::{
        Allocation, Analysis, Course, EARLIER, Ending, Growth, GrowthSource, Held, Interner, Loop, MarkedMoment,
        ProcessAnalysis, Region, Suppressions, Undecided, note_recursion,
    },
    sites::{CallSite, Frame},
    visible::visible,
};

impl Report {
    /// What the report was made of, judged anew. Sums, refusals and findings, which nothing is judged by, are left out.
    pub fn analysis(&self, suppressions: &Suppressions, style: SiteStyle) -> Analysis {
        let reading = Reading { interner: Interner::default(), style };
        Analysis::of(self.processes.iter().map(|process| reading.process(process)).collect(), suppressions)
    }
}

struct Reading {
    interner: Interner,
    style: SiteStyle,
}

impl Reading {
    fn process(&self, report: &ProcessReport) -> ProcessAnalysis {
        let anomaly = |name: &str| report.anomalies.get(name).copied().unwrap_or(0);
        let mut regions: Vec<Region> = report.regions.iter().map(|region| self.region(region)).collect();
        note_recursion(&mut regions);
        ProcessAnalysis {
            pid: report.pid,
            command: vec![report.command.clone()],
            ring_id: u128::from_str_radix(&report.ring_id, 16).unwrap_or(0),
            library_version: report.library_version.clone(),
            facts: Facts {
                rank: report.rank,
                ttnn: report.ttnn_version.clone(),
                unseen: report.unseen_parts.iter().filter_map(|name| Part::named(name)).collect(),
            },
            end: match report.ended {
                Some(EndedReport::Code(code)) => Ending::Ended(Ended::Code(code)),
                Some(EndedReport::Signal(signal)) => Ending::Ended(Ended::Signal(signal)),
                Some(EndedReport::Unknown(_)) => Ending::Ended(Ended::Unknown),
                Some(EndedReport::Stopped(_)) => Ending::Ended(Ended::Stopped),
                None if report.is_cut => Ending::Cut(report.cut_after),
                None => Ending::Running,
            },
            counts: Counts {
                reported: report.events.reported,
                drained: report.events.drained,
                drained_elsewhere: report.events.drained_elsewhere,
                restored: report.events.restored,
                lost: report.events.lost,
                pretended: anomaly("pretended_allocations"),
            },
            unreadable: anomaly(UNREADABLE),
            anomalies: Anomalies {
                unmatched_frees: report.unmatched_frees,
                double_frees: anomaly("double_frees"),
                duplicate_holders: anomaly("duplicate_holders"),
                unknown_pools: anomaly(UNKNOWN_POOLS),
                without_memory: anomaly(WITHOUT_MEMORY),
                late_frees: anomaly("late_frees"),
            },
            live: self.allocations(&report.live),
            released_at_close: self.allocations(&report.released_at_close),
            marks: report
                .marks
                .iter()
                .map(|mark| MarkedMoment {
                    name: mark.name.clone(),
                    at_ns: mark.at_ns,
                    totals: Vec::new(),
                    live: mark.live.as_ref().map(|live| self.allocations(live)),
                })
                .collect(),
            regions,
            regions_not_listed: report.regions_not_listed,
            growth: report.growth.iter().map(|growth| self.growth(growth)).collect(),
            ..ProcessAnalysis::default()
        }
    }

    fn site(&self, op: Option<&str>, frames: &[String]) -> Arc<CallSite> {
        let frames: Vec<Frame> = frames.iter().map(|frame| Frame::parse(frame)).collect();
        self.interner
            .intern(Arc::new(CallSite { op: op.map(|op| visible(op).into()), frames: frames.into() }), self.style)
    }

    fn allocations(&self, all: &[AllocationReport]) -> Vec<Allocation> {
        all.iter().map(|one| self.allocation(one)).collect()
    }

    fn allocation(&self, report: &AllocationReport) -> Allocation {
        Allocation {
            device: report.device_id,
            memory: memory(&report.memory),
            address: report.address,
            size: report.size,
            size_per_bank: report.size_per_bank,
            core: report.core.as_deref().map(core),
            owners: report.holders,
            reports: report.reports,
            state: STATES.iter().find(|(_, name)| *name == report.state).map_or(State::Live, |&(state, _)| state),
            at_ns: report.allocated_at_ns,
            site: self.site(report.op.as_deref(), &report.site),
            tensor: report.tensor.clone(),
            thread: report.thread,
            num_cores: report.num_cores,
            globally_allocated: report.globally_allocated,
            cached: report.cached,
            suppressed_by: report.suppressed_by.as_ref().map(|_| EARLIER),
        }
    }

    fn region(&self, report: &SpanReport) -> Region {
        let held = |left: super::LeftReport| Held { allocations: left.buffers, bytes: left.bytes };
        Region {
            number: report.number,
            id: report.id.clone(),
            name: report.name.clone(),
            parent: report.parent,
            depth: report.depth,
            is_recursive: false,
            thread: report.thread,
            is_apart: report.apart,
            begin_ns: report.begin_ns,
            end_ns: report.end_ns,
            sums: Vec::new(),
            left_suppressed: Default::default(),
            left: held(report.left_behind),
            left_cached: held(report.left_cached),
            left_apart: held(report.left_apart),
            left_allocations: self.allocations(&report.left_behind_regions),
        }
    }

    fn growth(&self, report: &GrowthReport) -> Growth {
        Growth {
            point: match report.point.as_ref() {
                "closes" => Loop::Closes(report.devices.clone()),
                "runs" => Loop::Runs(report.name.clone()),
                "time" => Loop::Time,
                _ => Loop::Marks(report.name.clone()),
            },
            looks: report.looks,
            iterations: if report.iterations > 0 { report.iterations } else { report.looks.saturating_sub(1) },
            span_ns: report.span_ns,
            live: Held { allocations: report.live_regions, bytes: report.live_bytes },
            sources: report.sources.iter().map(|source| self.source(source)).collect(),
        }
    }

    fn source(&self, report: &SourceReport) -> GrowthSource {
        let grows = report.verdict == "grows";
        GrowthSource {
            memory: memory(&report.memory),
            site: self.site(report.op.as_deref(), &report.site),
            size: report.size,
            cached: report.cached,
            course: course(&report.verdict, report.undecided.as_deref()),
            live: Held { allocations: report.live_regions, bytes: report.live_bytes },
            allocations_per_iteration: if report.allocations_per_iteration > 0.0 {
                report.allocations_per_iteration
            } else {
                report.regions_per_iteration as f64
            },
            bytes_per_iteration: report.bytes_per_iteration as f64,
            generations: report.generations,
            births_kept: report.births_kept,
            births: report.births,
            devices: report.devices.clone(),
            // Reports of older versions leave it out; of what grows they report each size.
            is_reported: report.is_reported || grows && report.size.is_some(),
            suppressed_by: report.suppressed_by.as_ref().map(|_| EARLIER),
        }
    }
}

/// Verdicts of older versions, which say less, are undecided.
fn course(verdict: &str, reason: Option<&str>) -> Course {
    match verdict {
        "grows" => Course::Grows,
        "baseline" => Course::Baseline,
        _ => {
            let known = REASONS.iter().find(|(_, name)| Some(*name) == reason);
            Course::Undecided(known.map_or(Undecided::FewIterations, |&(why, _)| why))
        }
    }
}

fn memory(name: &str) -> Memory {
    name.parse().unwrap_or(Memory::Unknown(u8::MAX))
}

/// What `core_name` wrote.
fn core(name: &str) -> OnCore {
    let known = name.split_once('-').and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
    known.map_or(OnCore::Unknown, |(x, y)| OnCore::At { x, y })
}
