//! The report as data: what `--json` writes, schema `ttmem-report/1` (docs/report.schema.json). Keys are added, their
//! meanings never change.

use std::collections::BTreeMap;

use serde::Serialize;
use ttmem_ledger::{LiveRegion, State, Totals};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::findings;
use crate::{Ended, Session};

/// The name of the schema.
pub const SCHEMA: &str = "ttmem-report/1";

/// Anomalies that leave an event out of every sum.
pub(super) const UNREADABLE: &str = "unreadable_events";
pub(super) const UNKNOWN_POOLS: &str = "unknown_pools";
pub(super) const WITHOUT_MEMORY: &str = "without_memory";

/// A report on some processes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The version of the reader.
    pub ttmem_version: &'static str,
    /// The processes that reported events, in the order in which they began to.
    pub processes: Vec<ProcessReport>,
}

/// One process.
#[derive(Clone, Debug, Serialize)]
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
    /// Frees that matched nothing.
    pub unmatched_frees: u64,
    /// The sums by device and memory.
    pub devices: Vec<DeviceReport>,
    /// What is live (or was, when the process ended): largest first, one entry a device.
    pub live: Vec<RegionReport>,
    /// Which ring, for ever: 32 hexadecimal digits.
    pub ring_id: String,
    /// The version of libttmem.so in the process.
    pub library_version: String,
    /// The memory at each mark.
    pub marks: Vec<MarkReport>,
    /// When the allocator refused.
    pub out_of_memory: Vec<OutOfMemoryReport>,
    /// What was still held when its device was closed; the first 10,000 regions.
    pub released_at_close: Vec<RegionReport>,
    /// What is worth a sentence.
    pub findings: Vec<FindingReport>,
    /// Events that did not fit, counted by kind.
    pub anomalies: BTreeMap<&'static str, u64>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EventCounts {
    /// Events that the program reported.
    pub reported: u64,
    /// Events that a reader has got.
    pub drained: u64,
    /// Of these, events that another reader got: they are not in this report's sums.
    pub drained_elsewhere: u64,
    /// Events that nobody will ever get.
    pub lost: u64,
}

/// One device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceReport {
    /// Its id: the chip, or what a C program calls it.
    pub device_id: i32,
    /// Its memories, by name.
    pub memory: BTreeMap<String, MemoryReport>,
}

/// One memory of one device. Bytes are on the device; "per bank" is within each of its banks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    pub state: &'static str,
    /// `CLOCK_REALTIME`, ns since 1970.
    pub allocated_at_ns: u64,
    /// The call site, innermost frame first.
    pub site: Vec<String>,
    /// The thread that made it.
    pub thread: u32,
    /// Cores of a circular buffer, else 0.
    pub num_cores: u32,
    /// A circular buffer inside a buffer that is counted already.
    pub globally_allocated: bool,
}

/// The memory at a named moment.
#[derive(Clone, Debug, Serialize)]
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

/// A refusal of the allocator.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the fields are those of ttmem_ledger::OutOfMemory")]
pub struct OutOfMemoryReport {
    pub devices: Vec<i32>,
    pub memory: String,
    pub size: u64,
    pub size_per_bank: Option<u64>,
    pub at_ns: u64,
    pub live_bytes: u64,
}

/// A pattern and the sentence about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FindingReport {
    /// A stable name of the pattern.
    pub id: &'static str,
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
    /// The report on these sessions.
    pub fn new<'a>(sessions: impl IntoIterator<Item = &'a Session>) -> Self {
        Self {
            schema: SCHEMA,
            ttmem_version: env!("CARGO_PKG_VERSION"),
            processes: sessions.into_iter().map(process).collect(),
        }
    }

    /// The report as JSON, with a newline at its end.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }
}

fn process(session: &Session) -> ProcessReport {
    let header = session.header();
    let ledger = session.ledger();
    let clock = session.clock();
    let anomalies = ledger.anomalies();
    let marks = session.marks().iter().map(|mark| MarkReport {
        name: mark.name.clone(),
        at_ns: clock.realtime_ns(mark.ticks),
        devices: devices(&mark.totals),
        live: mark.live.as_ref().map(|live| regions(live, &clock)),
    });
    let out_of_memory = ledger.out_of_memory().iter().map(|refused| OutOfMemoryReport {
        devices: refused.devices.clone(),
        memory: refused.memory.to_string(),
        size: refused.size,
        size_per_bank: refused.size_per_bank,
        at_ns: clock.realtime_ns(refused.ticks),
        live_bytes: refused.live_bytes,
    });
    ProcessReport {
        pid: header.pid,
        command: header.command.join(" "),
        started_at: timestamp(header.realtime_start_ns),
        ended: session.ended().map(|ended| match ended {
            Ended::Code(code) => EndedReport::Code(code),
            Ended::Signal(signal) => EndedReport::Signal(signal),
            Ended::Unknown => EndedReport::Unknown(true),
        }),
        events: EventCounts {
            reported: session.reported(),
            drained: session.drained(),
            drained_elsewhere: session.taken_elsewhere(),
            lost: session.lost(),
        },
        unmatched_frees: anomalies.unmatched_frees,
        devices: devices(&ledger.totals()),
        live: regions(&ledger.live(), &clock),
        ring_id: format!("{:032x}", header.ring_id),
        library_version: header.producer.clone(),
        marks: marks.collect(),
        out_of_memory: out_of_memory.collect(),
        released_at_close: regions(&ledger.released_at_close().regions, &clock),
        findings: findings::sentences(session),
        anomalies: BTreeMap::from([
            ("double_frees", anomalies.double_frees),
            ("duplicate_holders", anomalies.duplicate_holders),
            ("late_frees", anomalies.late_frees),
            ("pretended_allocations", session.counters().pretended),
            (UNKNOWN_POOLS, anomalies.unknown_pools),
            ("unmatched_frees", anomalies.unmatched_frees),
            (UNREADABLE, session.unreadable()),
            (WITHOUT_MEMORY, anomalies.without_memory),
        ]),
    }
}

fn timestamp(ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| String::new(), |time| time.to_string())
}

fn devices(totals: &[(i32, Memory, Totals)]) -> Vec<DeviceReport> {
    let mut devices: Vec<DeviceReport> = Vec::new();
    for &(device_id, memory, totals) in totals {
        let report = MemoryReport {
            live_bytes: totals.live_bytes,
            live_buffers: totals.live_buffers,
            live_bytes_per_bank: totals.live_bytes_per_bank,
            peak_bytes: totals.peak_bytes,
            peak_bytes_per_bank: totals.peak_bytes_per_bank,
            allocations: totals.allocations,
            frees: totals.frees,
            released_at_close: totals.released_at_close,
        };
        match devices.last_mut().filter(|device| device.device_id == device_id) {
            Some(device) => {
                device.memory.insert(memory.to_string(), report);
            }
            None => devices.push(DeviceReport { device_id, memory: BTreeMap::from([(memory.to_string(), report)]) }),
        }
    }
    devices
}

fn regions(regions: &[LiveRegion], clock: &ClockMap) -> Vec<RegionReport> {
    regions
        .iter()
        .map(|region| RegionReport {
            device_id: region.device,
            memory: region.memory.to_string(),
            address: region.address,
            size: region.size,
            size_per_bank: region.size_per_bank,
            holders: region.holders,
            reports: region.reports,
            state: match region.state {
                State::Live => "live",
                State::LiveAtExit => "live_at_exit",
                State::Orphaned => "orphaned",
                State::ReleasedAtClose => "released_at_close",
            },
            allocated_at_ns: clock.realtime_ns(region.allocated_at_ticks),
            site: Vec::new(),
            thread: region.thread,
            num_cores: region.num_cores,
            globally_allocated: region.globally_allocated,
        })
        .collect()
}
