//! Devices as a whole: what all processes together hold of them. Two may use one device at the same time, each with books of
//! its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::ProcessReport;

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
pub(super) fn devices(processes: &[ProcessReport]) -> Vec<SharedDevice> {
    let mut devices: BTreeMap<i32, BTreeMap<String, SharedMemory>> = BTreeMap::new();
    for process in processes {
        for device in &process.devices {
            for (name, memory) in &device.memory {
                let shared = devices.entry(device.device_id).or_default().entry(name.clone()).or_default();
                shared.processes += 1;
                let (bytes, buffers) = if process.ended.is_none() {
                    (&mut shared.live_bytes, &mut shared.live_buffers)
                } else {
                    (&mut shared.left_bytes, &mut shared.left_buffers)
                };
                *bytes = bytes.saturating_add(memory.live_bytes);
                *buffers += memory.live_buffers;
                shared.peak_bytes_at_most = shared.peak_bytes_at_most.saturating_add(memory.peak_bytes);
            }
        }
    }
    devices.into_iter().map(|(device_id, memory)| SharedDevice { device_id, memory }).collect()
}
