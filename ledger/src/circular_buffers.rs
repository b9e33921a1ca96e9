//! Circular buffers: placed with an address, freed without one. Programs in the cache overlap in L1, so what a device gives
//! up for them is the union of their ranges, never the sum.

use std::collections::BTreeMap;

use ttmem_wire::{Event, Memory, flags};

use crate::{LiveRegion, State, intervals::Intervals};

/// A placed circular buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CircularBuffer {
    address: u64,
    size: u64,
    ticks: u64,
    thread: u32,
    site: u32,
    num_cores: u32,
    globally_allocated: bool,
}

/// The circular buffers of one device.
#[derive(Debug, Default)]
pub(crate) struct OnDevice {
    pub(crate) entries: Vec<CircularBuffer>,
    footprint: Intervals,
    release_was_reported: bool,
}

/// The circular buffers of all devices.
#[derive(Debug, Default)]
pub(crate) struct CircularBuffers {
    devices: BTreeMap<i32, OnDevice>,
    release_of_all_was_reported: bool,
}

impl OnDevice {
    /// Bytes of L1 on a core that circular buffers take: those inside a counted buffer take none.
    pub(crate) fn footprint(&self) -> u128 {
        self.footprint.covered()
    }
}

impl CircularBuffers {
    /// Adds one; returns the device's state after it.
    pub(crate) fn place(&mut self, device: i32, event: &Event) -> &OnDevice {
        let on_device = self.devices.entry(device).or_default();
        let buffer = CircularBuffer::new(event);
        if !buffer.globally_allocated {
            on_device.footprint.insert(event.address, event.size);
        }
        on_device.entries.push(buffer);
        on_device
    }

    /// Takes all of the device's out; returns how many.
    pub(crate) fn take(&mut self, device: i32) -> u64 {
        let Some(on_device) = self.devices.get_mut(&device) else { return 0 };
        on_device.footprint.clear();
        std::mem::take(&mut on_device.entries).len() as u64
    }

    /// Notes that the program does report releases on this device.
    pub(crate) fn note_release(&mut self, device: i32) {
        self.devices.entry(device).or_default().release_was_reported = true;
    }

    /// The same for a report that names no device.
    pub(crate) fn note_release_of_all(&mut self) {
        self.release_of_all_was_reported = true;
    }

    /// Devices that hold circular buffers though no release was ever reported for them, with their number.
    pub(crate) fn never_released(&self) -> impl Iterator<Item = (i32, u64)> {
        self.devices()
            .filter(|(_, on_device)| {
                !on_device.entries.is_empty() && !on_device.release_was_reported && !self.release_of_all_was_reported
            })
            .map(|(device, on_device)| (device, on_device.entries.len() as u64))
    }

    pub(crate) fn devices(&self) -> impl Iterator<Item = (i32, &OnDevice)> {
        self.devices.iter().map(|(&device, on_device)| (device, on_device))
    }
}

impl CircularBuffer {
    fn new(event: &Event) -> Self {
        Self {
            address: event.address,
            size: event.size,
            ticks: event.ticks,
            thread: event.thread,
            site: event.site,
            num_cores: event.extra,
            globally_allocated: event.flags & flags::GLOBALLY_ALLOCATED != 0,
        }
    }

    pub(crate) fn shown(&self, device: i32, state: State) -> LiveRegion {
        LiveRegion {
            device,
            memory: Memory::CircularBuffer,
            address: self.address,
            size: self.size,
            // A circular buffer lies on each of its cores, and a core is a bank of L1.
            size_per_bank: Some(self.size),
            holders: 1,
            reports: 1,
            state,
            allocated_at_ticks: self.ticks,
            thread: self.thread,
            site: self.site,
            num_cores: self.num_cores,
            globally_allocated: self.globally_allocated,
            preallocated: false,
        }
    }
}
