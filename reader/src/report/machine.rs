//! Devices as a whole: what all processes together hold of them. Two may use one device at the same time, each with books of
//! its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ttmem_ledger::{Ledger, together};

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
pub struct SharedMemory {
    /// Processes that used it.
    pub processes: u64,
    /// Bytes that running processes hold.
    pub live_bytes: u64,
    /// Regions that running processes hold.
    pub live_buffers: u64,
    /// Bytes that were live when the processes that have ended did.
    pub left_bytes: u64,
    /// The same in regions.
    pub left_buffers: u64,
    /// The sum of the processes' peaks: no more was ever in use, and less where the peaks were at different times.
    pub peak_bytes_at_most: u64,
}

/// The devices of these processes.
pub(super) fn devices<'a>(ledgers: impl IntoIterator<Item = &'a Ledger>) -> Vec<SharedDevice> {
    let mut devices: Vec<SharedDevice> = Vec::new();
    for ((device_id, memory), all) in together(ledgers) {
        let shared = SharedMemory {
            processes: all.processes,
            live_bytes: all.live_bytes,
            live_buffers: all.live_buffers,
            left_bytes: all.left_bytes,
            left_buffers: all.left_buffers,
            peak_bytes_at_most: all.peak_bytes_at_most,
        };
        match devices.last_mut().filter(|device| device.device_id == device_id) {
            Some(device) => {
                device.memory.insert(memory.to_string(), shared);
            }
            None => devices.push(SharedDevice { device_id, memory: BTreeMap::from([(memory.to_string(), shared)]) }),
        }
    }
    devices
}
