//! Circular buffers: placed with an address, freed without one. Programs in the cache overlap in L1, so what a device gives
//! up for them is the union of their ranges, never the sum.

use std::collections::BTreeMap;

use crate::{intervals::Intervals, region::CircularBuffer};

/// The circular buffers of one device.
#[derive(Debug, Default)]
pub(crate) struct OnDevice {
    pub(crate) entries: Vec<CircularBuffer>,
    footprint: Intervals,
    pub(crate) release_was_reported: bool,
}

/// The circular buffers of all devices.
#[derive(Debug, Default)]
pub(crate) struct CircularBuffers {
    devices: BTreeMap<i32, OnDevice>,
}

impl OnDevice {
    /// Bytes of L1 on a core that circular buffers take: those inside a counted buffer take none.
    pub(crate) fn footprint(&self) -> u128 {
        self.footprint.covered()
    }
}

impl CircularBuffers {
    /// Adds one; returns the device's state after it.
    pub(crate) fn place(&mut self, device: i32, buffer: CircularBuffer, address: u64, size: u64) -> &OnDevice {
        let on_device = self.devices.entry(device).or_default();
        if !buffer.globally_allocated {
            on_device.footprint.insert(address, size);
        }
        on_device.entries.push(buffer);
        on_device
    }

    /// Takes all of the device's out.
    pub(crate) fn take(&mut self, device: i32) -> Vec<CircularBuffer> {
        let Some(on_device) = self.devices.get_mut(&device) else { return Vec::new() };
        on_device.footprint.clear();
        std::mem::take(&mut on_device.entries)
    }

    pub(crate) fn note_release(&mut self, device: i32) {
        self.devices.entry(device).or_default().release_was_reported = true;
    }

    pub(crate) fn devices(&self) -> impl Iterator<Item = (i32, &OnDevice)> {
        self.devices.iter().map(|(&device, on_device)| (device, on_device))
    }
}
