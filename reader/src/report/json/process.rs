//! One process of a report.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::{
    AllocationReport, Context, DeviceReport, GrowthReport, MomentReport, OutOfMemoryReport, PeakReport, SpanReport,
    StatisticsReport, VerdictReport, devices, timestamp,
};
use crate::{
    Counts, Ended,
    analysis::{By, Ending, ProcessAnalysis},
    report::words,
};

/// Anomalies that leave an event out of every sum.
pub(super) const UNREADABLE: &str = "unreadable_events";
pub(super) const UNKNOWN_POOLS: &str = "unknown_pools";
pub(super) const WITHOUT_MEMORY: &str = "without_memory";

/// One process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProcessReport {
    /// Its process id, for display.
    pub pid: u32,
    /// Its command line, arguments separated by spaces.
    pub command: String,
    /// When its ring was made: RFC 3339, UTC.
    pub started_at: String,
    /// How it ended; null while it runs.
    pub ended: Option<EndedReport>,
    /// What became of its events.
    pub events: EventCounts,
    /// It comes from a recording that was cut short before the process ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// Events that such a recording has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_after: Option<u64>,
    /// Frees that matched nothing.
    pub unmatched_frees: u64,
    /// The sums by device and memory.
    pub devices: Vec<DeviceReport>,
    /// What is live (or was, when the process ended): largest first, one entry a device.
    pub live: Vec<AllocationReport>,
    /// Which ring, for ever: 32 hexadecimal digits.
    #[serde(default)]
    pub ring_id: String,
    /// The version of libttmem.so in the process.
    #[serde(default)]
    pub library_version: String,
    /// Its number among the processes of its job, from its launcher's variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// The version of ttnn in the process, where it is a wheel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttnn_version: Option<String>,
    /// Parts that its tt-metal does not show, or not all of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen_parts: Vec<Cow<'static, str>>,
    /// The memory at each mark.
    #[serde(default)]
    pub marks: Vec<MarkReport>,
    /// The regions of the program (`ttmem.region`), in the order in which they began; the latest 10,000.
    #[serde(default)]
    pub regions: Vec<SpanReport>,
    /// Regions of the program that are not listed: earlier ones, and those that began while too many were open.
    #[serde(default)]
    pub regions_not_listed: u64,
    /// The answer; missing in reports of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictReport>,
    /// Does it grow?
    #[serde(default)]
    pub growth: Vec<GrowthReport>,
    /// What each memory's peak was made of.
    #[serde(default)]
    pub peaks: Vec<PeakReport>,
    /// The moment that was asked for, with --at, --mark, --by or --tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<MomentReport>,
    /// What it allocated in all, with --stats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<StatisticsReport>,
    /// When the allocator refused.
    #[serde(default)]
    pub out_of_memory: Vec<OutOfMemoryReport>,
    /// What was still held when its device was closed; the first 10,000 regions.
    #[serde(default)]
    pub released_at_close: Vec<AllocationReport>,
    /// What is worth a sentence.
    #[serde(default)]
    pub findings: Vec<FindingReport>,
    /// Events that did not fit, counted by kind.
    #[serde(default)]
    pub anomalies: BTreeMap<Cow<'static, str>, u64>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedReport {
    /// By exit with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It is gone, and nobody can say how. Always true.
    Unknown(bool),
    /// Not at all: it stopped tracking, and may have run on. Always true.
    Stopped(bool),
}

/// What became of the events of a process. Once it has ended, reported = drained + lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts {
    /// Events that the program reported.
    pub reported: u64,
    /// Events that a reader has got.
    pub drained: u64,
    /// Of these, events that another reader got: they are not in this report's sums.
    #[serde(default)]
    pub drained_elsewhere: u64,
    /// Of these, events that came folded into a snapshot: they are in every sum and list, and were not seen one by one.
    #[serde(default)]
    pub restored: u64,
    /// Events that nobody will ever get.
    pub lost: u64,
}

/// The memory at a named moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MarkReport {
    /// The name that the program gave.
    pub name: String,
    /// `CLOCK_REALTIME`, ns since 1970.
    pub at_ns: u64,
    /// The sums then.
    pub devices: Vec<DeviceReport>,
    /// What was live then, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Vec<AllocationReport>>,
}

/// A pattern and the sentence about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingReport {
    /// A stable name of the pattern: `ttmem explain ID` teaches it.
    pub id: Cow<'static, str>,
    /// The sentence.
    pub text: String,
}

impl Context<'_> {
    pub(super) fn process(&self, process: &ProcessAnalysis, by: Option<By>) -> ProcessReport {
        let (counts, anomalies) = (process.counts, process.anomalies);
        ProcessReport {
            pid: process.pid,
            command: process.command_line(),
            started_at: timestamp(process.started_ns),
            ended: match process.end {
                Ending::Ended(Ended::Code(code)) => Some(EndedReport::Code(code)),
                Ending::Ended(Ended::Signal(signal)) => Some(EndedReport::Signal(signal)),
                Ending::Ended(Ended::Unknown) => Some(EndedReport::Unknown(true)),
                Ending::Ended(Ended::Stopped) => Some(EndedReport::Stopped(true)),
                Ending::Running | Ending::Cut(_) => None,
            },
            events: EventCounts::new(counts),
            is_cut: matches!(process.end, Ending::Cut(_)),
            cut_after: match process.end {
                Ending::Cut(after) => after,
                _ => None,
            },
            unmatched_frees: anomalies.unmatched_frees,
            devices: self.devices(process),
            live: self.allocations(&process.live),
            ring_id: format!("{:032x}", process.ring_id),
            library_version: process.library_version.clone(),
            rank: process.facts.rank,
            ttnn_version: process.facts.ttnn.clone(),
            unseen_parts: process.facts.unseen.iter().map(|part| part.name().into()).collect(),
            marks: process
                .marks
                .iter()
                .map(|mark| MarkReport {
                    name: mark.name.clone(),
                    at_ns: mark.at_ns,
                    devices: devices(&mark.totals),
                    live: mark.live.as_ref().map(|live| self.allocations(live)),
                })
                .collect(),
            regions: process.regions.iter().map(|region| SpanReport::new(region, self)).collect(),
            regions_not_listed: process.regions_not_listed,
            verdict: Some(VerdictReport::new(process, self)),
            growth: process.growth.iter().map(|growth| GrowthReport::new(growth, self)).collect(),
            peaks: process.peaks.iter().map(|peak| PeakReport::new(peak, self)).collect(),
            at: MomentReport::new(process, by, self),
            statistics: process.churn.as_ref().map(|churn| StatisticsReport::new(churn, self)),
            out_of_memory: process.refusals.iter().map(|refusal| OutOfMemoryReport::new(refusal, self)).collect(),
            released_at_close: self.allocations(&process.released_at_close),
            findings: process
                .observations
                .iter()
                .map(|one| FindingReport { id: words::finding_id(one).into(), text: words::finding(one) })
                .collect(),
            anomalies: BTreeMap::from([
                ("double_frees".into(), anomalies.double_frees),
                ("duplicate_holders".into(), anomalies.duplicate_holders),
                ("late_frees".into(), anomalies.late_frees),
                ("pretended_allocations".into(), counts.pretended),
                (UNKNOWN_POOLS.into(), anomalies.unknown_pools),
                ("unmatched_frees".into(), anomalies.unmatched_frees),
                (UNREADABLE.into(), process.unreadable),
                (WITHOUT_MEMORY.into(), anomalies.without_memory),
            ]),
        }
    }
}

impl EventCounts {
    /// What became of a process's events.
    pub(crate) fn new(counts: Counts) -> Self {
        Self {
            reported: counts.reported,
            drained: counts.drained,
            drained_elsewhere: counts.drained_elsewhere,
            restored: counts.restored,
            lost: counts.lost,
        }
    }
}
