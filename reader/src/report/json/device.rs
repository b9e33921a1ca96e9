//! The sums of one process, device by device.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde::{Deserialize, Serialize};
use ttmem_ledger::{Headroom, Totals};
use ttmem_wire::Memory;

use super::{Context, L1Report};
use crate::analysis::ProcessAnalysis;

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

impl Context<'_> {
    /// The sums of a process, what is left, and how full its L1 is.
    pub(super) fn devices(&self, process: &ProcessAnalysis) -> Vec<DeviceReport> {
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
