//! The report as data: what `--json` writes, schema `ttmem-report/1` (docs/report.schema.json). Keys are added, their
//! meanings never change.

use std::{borrow::Cow, collections::BTreeMap, io::Read, ops::RangeInclusive, sync::Arc};

mod difference;
mod fragmentation;
mod growth;
mod peaks;
mod pressure;
mod read;
mod refusals;
mod regions;
mod statistics;
mod verdict;
mod whatif;

use serde::{Deserialize, Serialize};
use ttmem_ledger::{Headroom, State, Together, Totals};
use ttmem_recording::Tensor;
use ttmem_wire::{Memory, OnCore};

pub use difference::{ChangeReport, DifferenceReport, SideReport};
pub use fragmentation::{BlockReport, FragmentationReport, WayOutReport};
pub use growth::{GrowthReport, SourceReport};
pub use peaks::{MomentReport, PeakReport, PeakSourceReport, RowReport};
pub use pressure::{FullestCoreReport, L1Report};
pub use refusals::{ClashReport, HoldingReport, OutOfMemoryReport, ReliefReport};
pub use regions::{LeftReport, SpanDevice, SpanMemory, SpanReport};
pub use statistics::{SourceStatisticsReport, StatisticsReport};
pub use verdict::{LeakReport, VerdictReport};
pub use whatif::{WhatIfCourse, WhatIfMemory, WhatIfProcess, WhatIfReport, WhatIfRequest};

use super::words;
use crate::{
    Ended, SiteStyle,
    analysis::{Allocation, Analysis, By, Ending, ProcessAnalysis, RuleUse},
    sites::CallSite,
    visible::visible_json,
};

/// The name of the schema.
pub const SCHEMA: &str = "ttmem-report/1";

/// Anomalies that leave an event out of every sum.
const UNREADABLE: &str = "unreadable_events";
const UNKNOWN_POOLS: &str = "unknown_pools";
const WITHOUT_MEMORY: &str = "without_memory";

/// A report on some processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: Cow<'static, str>,
    /// The version of the reader.
    pub ttmem_version: Cow<'static, str>,
    /// The processes that reported events, in the order in which they began to.
    pub processes: Vec<ProcessReport>,
    /// The devices as a whole, over all processes.
    #[serde(default)]
    pub devices: Vec<SharedDevice>,
    /// What each rule of a suppression file covered.
    #[serde(default)]
    pub suppressions: Vec<SuppressionReport>,
    /// Whether runs of the same command hold more each time.
    #[serde(default)]
    pub growth_over_runs: Vec<GrowthReport>,
}

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

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Its id: the chip, or what a C program calls it.
    pub device_id: i32,
    /// Its memories, by name.
    pub memory: BTreeMap<String, MemoryReport>,
    /// How full its L1 is; missing at marks, and where neither a program nor an allocator was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1: Option<L1Report>,
}

/// One memory of one device. Bytes are on the device; "per bank" is within each of its banks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of ttmem_ledger::Totals")]
pub struct MemoryReport {
    pub live_bytes: u64,
    pub live_buffers: u64,
    pub live_bytes_per_bank: Option<u64>,
    pub peak_bytes: u64,
    pub peak_bytes_per_bank: Option<u64>,
    pub allocations: u64,
    pub frees: u64,
    pub released_at_close: u64,
    /// Bytes of all its banks; missing at marks, and before an allocator of the device was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_bytes: Option<u64>,
    /// Bytes that are free in all its banks; missing where `live_bytes_per_bank` is null too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// The largest free block in each of its banks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub largest_free_block_per_bank: Option<u64>,
}

impl MemoryReport {
    fn new(totals: &Totals) -> Self {
        Self {
            live_bytes: totals.live_bytes,
            live_buffers: totals.live_buffers,
            live_bytes_per_bank: totals.live_bytes_per_bank,
            peak_bytes: totals.peak_bytes,
            peak_bytes_per_bank: totals.peak_bytes_per_bank,
            allocations: totals.allocations,
            frees: totals.frees,
            released_at_close: totals.released_at_close,
            capacity_bytes: None,
            free_bytes: None,
            largest_free_block_per_bank: None,
        }
    }

    fn note_headroom(&mut self, headroom: &Headroom) {
        self.capacity_bytes = Some(headroom.capacity());
        self.free_bytes = headroom.free();
        self.largest_free_block_per_bank = headroom.largest_free_block_per_bank;
    }
}

/// One region on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationReport {
    /// On which device.
    pub device_id: i32,
    /// In which memory, by name.
    pub memory: String,
    /// At which address within each bank.
    pub address: u64,
    /// Bytes on the device.
    pub size: u64,
    /// Bytes in each bank; null where they are not known.
    pub size_per_bank: Option<u64>,
    /// Where each core has an address of its own: which one, as "x-y"; "unknown" where the address stands for the holder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<String>,
    /// Holders that have not let go.
    pub holders: u32,
    /// Reports of an allocation of it.
    pub reports: u32,
    /// "live", "live_at_exit", "orphaned" or "released_at_close".
    pub state: Cow<'static, str>,
    /// `CLOCK_REALTIME`, ns since 1970.
    pub allocated_at_ns: u64,
    /// The call site, innermost frame first; empty where it is not known.
    pub site: Vec<String>,
    /// The operation of ttnn that it was made for, where a frame tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// The tensor that it was made for, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<Arc<Tensor>>,
    /// The thread that made it.
    #[serde(default)]
    pub thread: u32,
    /// Cores of program memory, else 0.
    #[serde(default)]
    pub num_cores: u32,
    /// A circular buffer inside a buffer that is counted already.
    #[serde(default)]
    pub globally_allocated: bool,
    /// Made for a program that the program cache keeps.
    #[serde(default)]
    pub cached: bool,
    /// The rule of a suppression file that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
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

/// One device, over all processes of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedDevice {
    /// Its id.
    pub device_id: i32,
    /// Its memories, by name.
    pub memory: BTreeMap<String, SharedMemory>,
}

/// One memory of one device, over all processes of a report. A process that has ended holds nothing any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of ttmem_ledger::Together")]
pub struct SharedMemory {
    pub processes: u64,
    pub live_bytes: u64,
    pub live_buffers: u64,
    pub left_bytes: u64,
    pub left_buffers: u64,
    pub peak_bytes_at_most: u64,
}

/// What a rule of a suppression file covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressionReport {
    /// The rule as it was written.
    pub rule: String,
    /// The file's line, from 1.
    pub line: u64,
    /// Allocations that it covered, over all processes and devices.
    pub regions: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sources that grow and that it covered.
    #[serde(default)]
    pub growth: u64,
}

impl Report {
    /// The report on an analysis; `by` adds up what was live at the moment that it is about.
    pub fn new(analysis: &Analysis, style: SiteStyle, by: Option<By>) -> Self {
        let rules: Vec<&str> = analysis.suppressions.iter().map(|used| used.rule.as_str()).collect();
        let context = Context { style, rules: &rules };
        Self {
            schema: SCHEMA.into(),
            ttmem_version: env!("CARGO_PKG_VERSION").into(),
            devices: shared(&analysis.devices),
            growth_over_runs: analysis.runs.iter().map(|growth| GrowthReport::new(growth, &context)).collect(),
            processes: analysis.processes.iter().map(|process| context.process(process, by)).collect(),
            suppressions: analysis.suppressions.iter().map(SuppressionReport::new).collect(),
        }
    }

    /// A larger file is not read: in memory a report takes some times its size.
    pub(crate) const MAX_BYTES: u64 = 1 << 30;

    /// Reads what [`Report::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, in a line.
    pub fn from_json(json: impl Read) -> Result<Self, String> {
        let report: Self =
            serde_json::from_reader(json).map_err(|error| format!("not a report of ttmem ({SCHEMA}): {error}"))?;
        if report.schema == SCHEMA {
            Ok(report)
        } else {
            Err(format!("a report of schema {:?}, this ttmem reads {SCHEMA:?}", report.schema))
        }
    }

    /// The report as JSON, with a newline at its end.
    pub fn to_json(&self) -> String {
        let mut json = visible_json(serde_json::to_string_pretty(self).unwrap_or_default());
        json.push('\n');
        json
    }
}

impl SuppressionReport {
    pub(crate) fn new(used: &RuleUse) -> Self {
        Self {
            rule: used.rule.clone(),
            line: used.line,
            regions: used.covered.allocations,
            bytes: used.covered.bytes,
            growth: used.growth,
        }
    }
}

/// What a report writes its parts with.
pub(crate) struct Context<'a> {
    pub(crate) style: SiteStyle,
    /// The rules of the suppression file.
    pub(crate) rules: &'a [&'a str],
}

/// "0-7", as tt-metal writes a core; or "unknown".
pub(super) fn core_name(core: OnCore) -> String {
    match core {
        OnCore::At { x, y } => format!("{x}-{y}"),
        OnCore::Unknown => "unknown".to_owned(),
    }
}

impl Context<'_> {
    /// A call site's frames, innermost first.
    fn frames(&self, site: &CallSite) -> Vec<String> {
        if self.style.full {
            return site.frames.iter().map(ToString::to_string).collect();
        }
        site.users().map(ToString::to_string).collect()
    }

    fn op(site: &CallSite) -> Option<String> {
        site.op.as_deref().map(str::to_owned)
    }

    fn rule(&self, place: Option<usize>) -> Option<String> {
        place.and_then(|at| self.rules.get(at)).map(|&rule| rule.to_owned())
    }

    pub(crate) fn allocations(&self, all: &[Allocation]) -> Vec<AllocationReport> {
        all.iter().map(|one| self.allocation(one)).collect()
    }

    fn allocation(&self, one: &Allocation) -> AllocationReport {
        AllocationReport {
            device_id: one.device,
            memory: one.memory.to_string(),
            address: one.address,
            size: one.size,
            size_per_bank: one.size_per_bank,
            core: one.core.map(core_name),
            holders: one.owners,
            reports: one.reports,
            state: state_name(one.state).into(),
            allocated_at_ns: one.at_ns,
            site: self.frames(&one.site),
            op: Self::op(&one.site),
            tensor: one.tensor.clone(),
            thread: one.thread,
            num_cores: one.num_cores,
            globally_allocated: one.globally_allocated,
            cached: one.cached,
            suppressed_by: self.rule(one.suppressed_by),
        }
    }

    /// The sums of a process, what is left, and how full its L1 is.
    fn devices(&self, process: &ProcessAnalysis) -> Vec<DeviceReport> {
        let mut devices = devices(&process.totals);
        for device in &mut devices {
            for (&(_, memory), headroom) in process.headroom.range(memories_of(device.device_id)) {
                if let Some(report) = device.memory.get_mut(&memory.to_string()) {
                    report.note_headroom(headroom);
                }
            }
            device.l1 = process.l1.get(&device.device_id).map(|pressure| L1Report::new(pressure, self));
        }
        devices
    }

    fn process(&self, process: &ProcessAnalysis, by: Option<By>) -> ProcessReport {
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
    pub(crate) fn new(counts: crate::Counts) -> Self {
        Self {
            reported: counts.reported,
            drained: counts.drained,
            drained_elsewhere: counts.drained_elsewhere,
            restored: counts.restored,
            lost: counts.lost,
        }
    }
}

/// The states by their names.
const STATES: [(State, &str); 4] = [
    (State::Live, "live"),
    (State::LiveAtExit, "live_at_exit"),
    (State::Orphaned, "orphaned"),
    (State::ReleasedAtClose, "released_at_close"),
];

fn state_name(state: State) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("live", |(_, name)| name)
}

/// A time as text.
pub(crate) fn timestamp(ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| String::new(), |time| time.to_string())
}

/// The keys of all memories of a device.
fn memories_of(device: i32) -> RangeInclusive<(i32, Memory)> {
    (device, Memory::Dram)..=(device, Memory::Unknown(u8::MAX))
}

/// The sums of a process, device by device.
pub(crate) fn devices(totals: &[(i32, Memory, Totals)]) -> Vec<DeviceReport> {
    let mut devices: Vec<DeviceReport> = Vec::new();
    for &(device_id, memory, totals) in totals {
        let report = MemoryReport::new(&totals);
        if devices.last().is_none_or(|device| device.device_id != device_id) {
            devices.push(DeviceReport { device_id, memory: BTreeMap::new(), l1: None });
        }
        if let Some(device) = devices.last_mut() {
            device.memory.insert(memory.to_string(), report);
        }
    }
    devices
}

fn shared(all: &BTreeMap<(i32, Memory), Together>) -> Vec<SharedDevice> {
    let mut devices: Vec<SharedDevice> = Vec::new();
    for (&(device_id, memory), all) in all {
        let report = SharedMemory {
            processes: all.processes,
            live_bytes: all.live_bytes,
            live_buffers: all.live_buffers,
            left_bytes: all.left_bytes,
            left_buffers: all.left_buffers,
            peak_bytes_at_most: all.peak_bytes_at_most,
        };
        if devices.last().is_none_or(|device| device.device_id != device_id) {
            devices.push(SharedDevice { device_id, memory: BTreeMap::new() });
        }
        if let Some(device) = devices.last_mut() {
            device.memory.insert(memory.to_string(), report);
        }
    }
    devices
}
