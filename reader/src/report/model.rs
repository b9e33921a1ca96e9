//! The report as data: what `--json` writes, schema `ttmem-report/1` (docs/report.schema.json). Keys are added, their
//! meanings never change.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::{
    collect,
    growth::{self, GrowthReport},
    machine,
    out_of_memory::OutOfMemoryReport,
    spans::SpanReport,
};
use crate::{SiteStyle, SuppressionUse, Symbols, Tell, Told};

/// The name of the schema.
pub const SCHEMA: &str = "ttmem-report/1";

/// The name of circular buffers' memory.
pub(super) const CIRCULAR_BUFFER: &str = "CB";

/// Anomalies that leave an event out of every sum.
pub(super) const UNREADABLE: &str = "unreadable_events";
pub(super) const UNKNOWN_POOLS: &str = "unknown_pools";
pub(super) const WITHOUT_MEMORY: &str = "without_memory";

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
    pub devices: Vec<machine::SharedDevice>,
    /// What each rule of a suppression file hid.
    #[serde(default)]
    pub suppressions: Vec<SuppressionUse>,
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
    /// Frees that matched nothing.
    pub unmatched_frees: u64,
    /// The sums by device and memory.
    pub devices: Vec<DeviceReport>,
    /// What is live (or was, when the process ended): largest first, one entry a device.
    pub live: Vec<RegionReport>,
    /// Which ring, for ever: 32 hexadecimal digits.
    #[serde(default)]
    pub ring_id: String,
    /// The version of libttmem.so in the process.
    #[serde(default)]
    pub library_version: String,
    /// The memory at each mark.
    #[serde(default)]
    pub marks: Vec<MarkReport>,
    /// The regions of the program (`ttmem.region`), in the order in which they began; the latest 10,000.
    #[serde(default)]
    pub regions: Vec<SpanReport>,
    /// Regions of the program that are not listed: earlier ones, and those that began while too many were open.
    #[serde(default)]
    pub regions_not_listed: u64,
    /// Does it grow?
    #[serde(default)]
    pub growth: Vec<GrowthReport>,
    /// When the allocator refused.
    #[serde(default)]
    pub out_of_memory: Vec<OutOfMemoryReport>,
    /// What was still held when its device was closed; the first 10,000 regions.
    #[serde(default)]
    pub released_at_close: Vec<RegionReport>,
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
}

/// One memory of one device. Bytes are on the device; "per bank" is within each of its banks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// One region on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionReport {
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
    /// The thread that made it.
    #[serde(default)]
    pub thread: u32,
    /// Cores of a circular buffer, else 0.
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

impl RegionReport {
    /// Whether it counts as left behind: no circular buffer, not the program cache's, and covered by no suppression.
    pub fn is_left_behind(&self) -> bool {
        self.memory != CIRCULAR_BUFFER && !self.cached && self.suppressed_by.is_none()
    }
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
    pub live: Option<Vec<RegionReport>>,
}

/// A pattern and the sentence about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingReport {
    /// A stable name of the pattern: `ttmem explain ID` teaches it.
    pub id: Cow<'static, str>,
    /// The sentence.
    pub text: String,
}

impl ProcessReport {
    /// Events that were read and are in no sum, since nobody can say what they mean.
    pub fn unattributed(&self) -> u64 {
        let counts = [UNREADABLE, UNKNOWN_POOLS, WITHOUT_MEMORY].map(|name| self.anomalies.get(name).copied());
        counts.into_iter().flatten().fold(0, u64::saturating_add)
    }
}

impl Report {
    /// The report on these sessions, or what else has something to tell.
    pub fn new<'a, T: Tell + 'a>(processes: impl IntoIterator<Item = &'a T>) -> Self {
        Self::in_style(processes, SiteStyle::default())
    }

    /// The same, with call sites as they are wanted.
    pub fn in_style<'a, T: Tell + 'a>(processes: impl IntoIterator<Item = &'a T>, style: SiteStyle) -> Self {
        let told: Vec<Told<'_>> = processes.into_iter().map(Tell::told).collect();
        let symbols = RefCell::new(Symbols::default());
        let processes: Vec<ProcessReport> = told.iter().map(|told| collect::process(told, style, &symbols)).collect();
        Self {
            schema: SCHEMA.into(),
            ttmem_version: env!("CARGO_PKG_VERSION").into(),
            devices: machine::devices(told.iter().map(|told| told.account.ledger())),
            growth_over_runs: growth::over_runs(&processes),
            processes,
            suppressions: Vec::new(),
        }
    }

    /// Reads what [`Report::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, in a line.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let report: Self =
            serde_json::from_str(text).map_err(|error| format!("not a report of ttmem ({SCHEMA}): {error}"))?;
        if report.schema == SCHEMA {
            Ok(report)
        } else {
            Err(format!("a report of schema {:?}, this ttmem reads {SCHEMA:?}", report.schema))
        }
    }

    /// The report as JSON, with a newline at its end.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }
}
