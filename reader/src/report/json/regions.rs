//! Regions of the program: what each saw, device by device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ttmem_ledger::{Amount, WindowSums, narrow};

use super::{AllocationReport, Context};
use crate::analysis::{Held, Region};

/// Allocations that a region left and that are listed, the largest.
const LEFT_LISTED: usize = 256;

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
    /// Of `left_behind`, what suppressions cover, as far as it is listed.
    #[serde(default)]
    pub left_suppressed: LeftReport,
    /// The allocations of `left_behind`, largest first; 256 at most.
    pub left_behind_regions: Vec<AllocationReport>,
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
    #[serde(default)]
    pub own_growth_bytes: i64,
    pub allocations: u64,
    pub frees: u64,
    pub released_at_close: u64,
    pub left_behind: LeftReport,
    pub left_cached: LeftReport,
    pub left_apart: LeftReport,
    #[serde(default)]
    pub left_suppressed: LeftReport,
}

/// What came to life in a region of the program and lives at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftReport {
    /// How many buffers, one on each device.
    pub buffers: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<Held> for LeftReport {
    fn from(held: Held) -> Self {
        Self { buffers: held.allocations, bytes: held.bytes }
    }
}

impl From<Amount> for LeftReport {
    fn from(amount: Amount) -> Self {
        Self { buffers: amount.allocations, bytes: narrow(amount.bytes) }
    }
}

impl SpanReport {
    pub(crate) fn new(region: &Region, context: &Context<'_>) -> Self {
        let mut devices: Vec<SpanDevice> = Vec::new();
        for (device_id, name, sums) in &region.sums {
            if devices.last().is_none_or(|device| device.device_id != *device_id) {
                devices.push(SpanDevice { device_id: *device_id, memory: BTreeMap::new() });
            }
            if let Some(device) = devices.last_mut() {
                let suppressed = region.left_suppressed.get(&(*device_id, *name)).copied().unwrap_or_default();
                device.memory.insert(name.to_string(), memory(sums, suppressed));
            }
        }
        let mut suppressed = Held::default();
        region.left_suppressed.values().for_each(|held| suppressed.add(held.allocations, held.bytes));
        let listed = &region.left_allocations;
        Self {
            number: region.number,
            id: region.id.clone(),
            name: region.name.clone(),
            parent: region.parent,
            depth: region.depth,
            thread: region.thread,
            apart: region.is_apart,
            begin_ns: region.begin_ns,
            end_ns: region.end_ns,
            devices,
            left_behind: region.left.into(),
            left_cached: region.left_cached.into(),
            left_apart: region.left_apart.into(),
            left_suppressed: suppressed.into(),
            left_behind_regions: context.allocations(&listed[..listed.len().min(LEFT_LISTED)]),
        }
    }
}

fn memory(sums: &WindowSums, suppressed: Held) -> SpanMemory {
    SpanMemory {
        begin_bytes: sums.begin_bytes,
        begin_buffers: sums.begin_buffers,
        end_bytes: sums.end_bytes,
        end_buffers: sums.end_buffers,
        peak_bytes: sums.peak_bytes,
        peak_bytes_per_bank: sums.peak_bytes_per_bank,
        own_peak_bytes: sums.own_peak_bytes,
        own_growth_bytes: sums.own_growth_bytes,
        allocations: sums.allocations,
        frees: sums.frees,
        released_at_close: sums.released_at_close,
        left_behind: sums.left_behind.into(),
        left_cached: sums.left_cached.into(),
        left_apart: sums.left_apart.into(),
        left_suppressed: suppressed.into(),
    }
}
