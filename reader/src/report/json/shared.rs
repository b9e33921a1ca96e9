//! The sums over all processes of a report, device by device.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ttmem_ledger::Together;
use ttmem_wire::Memory;

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

/// The sums of all processes, device by device.
pub(super) fn shared(all: &BTreeMap<(i32, Memory), Together>) -> Vec<SharedDevice> {
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
