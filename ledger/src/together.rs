//! Devices as a whole: what all processes together hold of them. Each has books of its own, also where two use one device.

use std::collections::BTreeMap;

use ttmem_wire::Memory;

use crate::Ledger;

/// One memory of one device, over several processes. A process that has ended holds nothing any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Together {
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

/// The memories of all devices that these processes used, by device, then memory.
pub fn together<'a>(processes: impl IntoIterator<Item = &'a Ledger>) -> BTreeMap<(i32, Memory), Together> {
    let mut devices: BTreeMap<(i32, Memory), Together> = BTreeMap::new();
    for ledger in processes {
        for (device, memory, totals) in ledger.totals() {
            let all = devices.entry((device, memory)).or_default();
            all.processes += 1;
            let (bytes, buffers) = if ledger.has_ended() {
                (&mut all.left_bytes, &mut all.left_buffers)
            } else {
                (&mut all.live_bytes, &mut all.live_buffers)
            };
            *bytes = bytes.saturating_add(totals.live_bytes);
            *buffers += totals.live_buffers;
            all.peak_bytes_at_most = all.peak_bytes_at_most.saturating_add(totals.peak_bytes);
        }
    }
    devices
}
