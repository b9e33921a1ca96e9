//! Regions of a program: what each saw, device by device. The code calls them spans, see [`ttmem_ledger::Spans`].

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use ttmem_ledger::{Amount, Span, WindowSums};
use ttmem_ring::ClockMap;

use super::{Painter, bytes, collect::regions_of, count, model::RegionReport, shorten};
use crate::{Account, sites::Naming};

/// Regions that were left behind and are listed, the largest; each may carry its call site.
const LEFT_LISTED: usize = 256;
/// Lines of the table.
const LISTED: usize = 12;
/// Columns for a name.
const NAME_WIDTH: usize = 29;

/// One region of the program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpanReport {
    /// Counts the regions of the process in the order in which they began, from 1.
    pub number: u64,
    /// What the program calls it among those that are open.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The number of the region around it, of the same thread.
    pub parent: Option<u64>,
    /// How many are around it.
    pub depth: u32,
    /// The thread that began it.
    pub thread: u32,
    /// Whether what was made in it counts for no region around it.
    pub apart: bool,
    /// `CLOCK_REALTIME`, ns since 1970.
    pub begin_ns: u64,
    /// Null while it is open: the sums are those so far.
    pub end_ns: Option<u64>,
    /// The sums by device and memory; where nothing was and nothing happened is left out.
    pub devices: Vec<SpanDevice>,
    /// Of all devices and memories together.
    pub left_behind: LeftReport,
    /// The same of what the program cache holds.
    pub left_cached: LeftReport,
    /// The same of what was made in an inner region that is kept apart.
    pub left_apart: LeftReport,
    /// The regions of `left_behind`, largest first; 256 at most.
    pub left_behind_regions: Vec<RegionReport>,
}

/// What a region of the program did on one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpanDevice {
    /// Which device.
    pub device_id: i32,
    /// Its memories, by name.
    pub memory: BTreeMap<String, SpanMemory>,
}

/// And in one memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of ttmem_ledger::WindowSums")]
pub struct SpanMemory {
    pub begin_bytes: u64,
    pub begin_buffers: u64,
    pub end_bytes: u64,
    pub end_buffers: u64,
    pub peak_bytes: u64,
    pub peak_bytes_per_bank: Option<u64>,
    pub own_peak_bytes: u64,
    pub allocations: u64,
    pub frees: u64,
    pub released_at_close: u64,
    pub left_behind: LeftReport,
    pub left_cached: LeftReport,
    pub left_apart: LeftReport,
}

/// What came to life in a region of the program and lives at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftReport {
    /// How many buffers, one on each device.
    pub buffers: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<Amount> for LeftReport {
    fn from(amount: Amount) -> Self {
        Self { buffers: amount.allocations, bytes: u64::try_from(amount.bytes).unwrap_or(u64::MAX) }
    }
}

impl LeftReport {
    fn plus(self, other: Amount) -> Self {
        let other = Self::from(other);
        Self { buffers: self.buffers + other.buffers, bytes: self.bytes.saturating_add(other.bytes) }
    }
}

fn memory(sums: &WindowSums) -> SpanMemory {
    SpanMemory {
        begin_bytes: sums.begin_bytes,
        begin_buffers: sums.begin_buffers,
        end_bytes: sums.end_bytes,
        end_buffers: sums.end_buffers,
        peak_bytes: sums.peak_bytes,
        peak_bytes_per_bank: sums.peak_bytes_per_bank,
        own_peak_bytes: sums.own_peak_bytes,
        allocations: sums.allocations,
        frees: sums.frees,
        released_at_close: sums.released_at_close,
        left_behind: sums.left_behind.into(),
        left_cached: sums.left_cached.into(),
        left_apart: sums.left_apart.into(),
    }
}

impl SpanReport {
    /// The report on one.
    pub(crate) fn new(span: &Span, clock: &ClockMap, naming: &Naming<'_>) -> Self {
        let mut devices: Vec<SpanDevice> = Vec::new();
        let (mut left_behind, mut left_cached, mut left_apart) = Default::default();
        for (device_id, name, sums) in &span.window.sums {
            left_behind = LeftReport::plus(left_behind, sums.left_behind);
            left_cached = LeftReport::plus(left_cached, sums.left_cached);
            left_apart = LeftReport::plus(left_apart, sums.left_apart);
            if devices.last().is_none_or(|device| device.device_id != *device_id) {
                devices.push(SpanDevice { device_id: *device_id, memory: BTreeMap::new() });
            }
            if let Some(device) = devices.last_mut() {
                device.memory.insert(name.to_string(), memory(sums));
            }
        }
        Self {
            number: span.number,
            id: span.id.clone(),
            name: span.name.clone(),
            parent: span.parent,
            depth: span.depth,
            thread: span.thread,
            apart: span.is_apart,
            begin_ns: clock.realtime_ns(span.begin_ticks),
            end_ns: span.end_ticks.map(|ticks| clock.realtime_ns(ticks)),
            devices,
            left_behind,
            left_cached,
            left_apart,
            left_behind_regions: {
                let left = &span.window.left_behind;
                regions_of(&left[..left.len().min(LEFT_LISTED)], clock, naming)
            },
        }
    }

    fn memories(&self) -> impl Iterator<Item = (&String, &SpanMemory)> {
        self.devices.iter().flat_map(|device| &device.memory)
    }
}

/// All of a process: in the order in which they began.
pub(super) fn spans(account: &Account, clock: &ClockMap, naming: &Naming<'_>) -> Vec<SpanReport> {
    let spans = account.spans();
    let mut reports: Vec<SpanReport> = spans.closed().map(|span| SpanReport::new(span, clock, naming)).collect();
    reports.extend(spans.open(account.ledger()).map(|span| SpanReport::new(&span, clock, naming)));
    reports.sort_by_key(|report| report.number);
    reports
}

/// What all of one name did.
#[derive(Default)]
struct Line {
    times: u64,
    /// The highest of its own on any device, and in which memory.
    peak: (u64, String),
    grown: i128,
    left: LeftReport,
}

/// A line for each name, in the order of the first of each.
pub(super) fn write_spans(out: &mut impl fmt::Write, spans: &[SpanReport], paint: Painter) -> fmt::Result {
    let Painter { heading, faint, .. } = paint;
    if spans.is_empty() {
        return Ok(());
    }
    let mut names: Vec<&str> = Vec::new();
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    for span in spans {
        let line = lines.entry(&span.name).or_insert_with(|| {
            names.push(&span.name);
            Line::default()
        });
        line.times += 1;
        for (memory, sums) in span.memories() {
            if sums.own_peak_bytes > line.peak.0 {
                line.peak = (sums.own_peak_bytes, memory.clone());
            }
            line.grown += i128::from(sums.end_bytes) - i128::from(sums.begin_bytes);
        }
        line.left.buffers += span.left_behind.buffers;
        line.left.bytes = line.left.bytes.saturating_add(span.left_behind.bytes);
    }
    writeln!(
        out,
        "{heading}Regions{heading:#}{faint}{:<25}{:>6}{:>18}{:>12}{:>12}{faint:#}",
        ", by name", "times", "peak on a device", "growth", "left behind"
    )?;
    for name in names.iter().take(LISTED) {
        let line = &lines[name];
        let grown = u64::try_from(line.grown.unsigned_abs()).unwrap_or(u64::MAX);
        let sign = if line.grown < 0 { "-" } else { "+" };
        let growth = if grown == 0 { "0 B".to_owned() } else { format!("{sign}{}", bytes(grown)) };
        let peak = format!("{} {}", bytes(line.peak.0), line.peak.1);
        writeln!(
            out,
            "  {:<30}{:>6}{:>18}{growth:>12}{:>12}",
            shorten(name, NAME_WIDTH),
            count(line.times),
            peak.trim_end(),
            bytes(line.left.bytes)
        )?;
    }
    if names.len() > LISTED {
        writeln!(out, "{faint}  {} more names; --json FILE has all{faint:#}", names.len() - LISTED)?;
    }
    writeln!(out)
}
