//! The ledger: one process's events, applied in order.

use std::collections::BTreeMap;

use ttmem_wire::{ANY_DEVICE, Event, EventKind, Memory, Pool, Target, flags};

use crate::{
    Anomalies, Finding, LiveRegion, OutOfMemory, Released, State, Totals,
    circular_buffers::CircularBuffers,
    overlap,
    region::{CircularBuffer, Key},
    regions::{LetGo, Regions, Reported},
    totals::{Extent, RunningTotals},
};

/// How many regions released at close, and how many out-of-memory events, are kept one by one. All are counted.
pub const MAX_LISTED: usize = 10_000;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited.
    Exited,
    /// It was killed, or nobody knows.
    Killed,
}

/// What a process did with device memory. See the crate's documentation.
#[derive(Debug, Default)]
pub struct Ledger {
    regions: Regions,
    circular_buffers: CircularBuffers,
    totals: BTreeMap<(i32, Memory), RunningTotals>,
    released: Released,
    anomalies: Anomalies,
    out_of_memory: Vec<OutOfMemory>,
    out_of_memory_times: u64,
    end: Option<End>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one event. `pool` is the entry of the ring's pool table that a [`Target::Pool`] means, if it is known.
    pub fn apply(&mut self, event: &Event, pool: Option<&Pool>) {
        match event.target {
            Target::Device(device) => self.apply_on(event, device, 0, true),
            Target::Pool(_) => {
                let Some(pool) = pool else {
                    self.anomalies.unknown_pools += 1;
                    return;
                };
                if event.kind == EventKind::OutOfMemory {
                    self.refuse(event, pool.chips.clone());
                    return;
                }
                for &chip in &pool.chips {
                    self.apply_on(event, chip, pool.allocator, false);
                }
            }
        }
    }

    fn apply_on(&mut self, event: &Event, device: i32, allocator: u32, named_by_program: bool) {
        match event.kind {
            EventKind::Allocate => self.allocate(event, device, allocator),
            EventKind::Free => self.free(event, device, allocator, named_by_program),
            EventKind::CbAllocate => self.place(event, device),
            EventKind::CbFreeAll if device == ANY_DEVICE && named_by_program => {
                let devices: Vec<i32> = self.circular_buffers.devices().map(|(device, _)| device).collect();
                devices.into_iter().for_each(|device| self.free_circular_buffers(device));
            }
            EventKind::CbFreeAll => self.free_circular_buffers(device),
            EventKind::DeviceClosed => self.close(device),
            EventKind::PoolReleased => {
                self.release(|key| key.device == device && key.allocator == allocator);
            }
            EventKind::OutOfMemory => self.refuse(event, vec![device]),
            EventKind::Mark | EventKind::MarkMore => {}
        }
    }

    fn totals_of(&mut self, device: i32, memory: Memory) -> &mut RunningTotals {
        self.totals.entry((device, memory)).or_default()
    }

    fn allocate(&mut self, event: &Event, device: i32, allocator: u32) {
        let memory = event.memory.unwrap_or(Memory::Dram);
        let own = Key { address: event.address, device, allocator, memory };
        // A buffer over memory that was there before is one more holder of it, whoever's allocator made it.
        let over = if event.flags & flags::PREALLOCATED == 0 {
            None
        } else {
            self.regions.find(Some(device), Some(memory), event.address).filter(|key| self.regions.is_live(key))
        };
        let reported = self.regions.report(over.unwrap_or(own), event);
        let totals = self.totals.entry((device, memory)).or_default();
        totals.allocations += 1;
        match reported {
            Reported::New(extent) => totals.add(extent),
            Reported::OneMoreHolder { before, after, holder_was_known } => {
                totals.change(before, after);
                self.anomalies.duplicate_holders += u64::from(holder_was_known);
            }
        }
    }

    fn free(&mut self, event: &Event, device: i32, allocator: u32, named_by_program: bool) {
        let any_device = device == ANY_DEVICE && named_by_program;
        let key = match event.memory {
            Some(memory) if !any_device && event.flags & flags::PREALLOCATED == 0 => {
                Some(Key { address: event.address, device, allocator, memory })
            }
            memory => self.regions.find((!any_device).then_some(device), memory, event.address),
        };
        let let_go = key.map_or(LetGo::Unmatched, |key| self.regions.let_go(key, event.holder));
        match (let_go, key) {
            (LetGo::Last(extent), Some(key)) => {
                let totals = self.totals_of(key.device, key.memory);
                totals.frees += 1;
                totals.remove(extent);
            }
            (LetGo::OneOfSeveral, Some(key)) => self.totals_of(key.device, key.memory).frees += 1,
            (LetGo::AfterClose, _) => self.anomalies.late_frees += 1,
            _ => self.anomalies.unmatched_frees += 1,
        }
    }

    fn place(&mut self, event: &Event, device: i32) {
        let on_device = self.circular_buffers.place(device, CircularBuffer::new(event), event.address, event.size);
        let (count, footprint) = (on_device.entries.len() as u64, on_device.footprint());
        let totals = self.totals_of(device, Memory::CircularBuffer);
        totals.allocations += 1;
        totals.set(count, footprint);
    }

    fn free_circular_buffers(&mut self, device: i32) {
        self.circular_buffers.note_release(device);
        let freed = self.circular_buffers.take(device).len() as u64;
        if freed > 0 {
            let totals = self.totals_of(device, Memory::CircularBuffer);
            totals.frees += freed;
            totals.set(0, 0);
        }
    }

    fn close(&mut self, device: i32) {
        self.release(|key| key.device == device);
        let taken = self.circular_buffers.take(device);
        if !taken.is_empty() {
            let totals = self.totals_of(device, Memory::CircularBuffer);
            totals.released_at_close += taken.len() as u64;
            totals.set(0, 0);
        }
    }

    fn release(&mut self, chosen: impl Fn(&Key) -> bool) {
        for (key, region) in self.regions.release(chosen) {
            let extent: Extent = region.extent();
            let totals = self.totals_of(key.device, key.memory);
            totals.released_at_close += 1;
            totals.remove(extent);
            self.released.count += 1;
            self.released.bytes += u128::from(extent.bytes);
            if self.released.regions.len() < MAX_LISTED {
                self.released.regions.push(region.shown(key, State::ReleasedAtClose));
            }
        }
    }

    fn refuse(&mut self, event: &Event, devices: Vec<i32>) {
        self.out_of_memory_times += 1;
        if self.out_of_memory.len() < MAX_LISTED {
            let memory = event.memory.unwrap_or(Memory::Dram);
            let first = devices.first().and_then(|&device| self.totals.get(&(device, memory)));
            self.out_of_memory.push(OutOfMemory {
                memory,
                size: event.size,
                size_per_bank: event.size_per_bank,
                ticks: event.ticks,
                live_bytes: first.map_or(0, RunningTotals::live_bytes),
                devices,
            });
        }
    }

    /// The process ended: what is live stays listed as live at exit, or as orphaned.
    pub fn end(&mut self, end: End) {
        self.end = Some(end);
    }

    /// The sums, by device and memory.
    pub fn totals(&self) -> Vec<(i32, Memory, Totals)> {
        self.totals.iter().map(|(&(device, memory), totals)| (device, memory, totals.shown())).collect()
    }

    /// What is live (or was when the process ended): largest first, then by device, memory, address, age.
    pub fn live(&self) -> Vec<LiveRegion> {
        let state = match self.end {
            None => State::Live,
            Some(End::Exited) => State::LiveAtExit,
            Some(End::Killed) => State::Orphaned,
        };
        let mut live: Vec<LiveRegion> = self.regions.iter().map(|(&key, region)| region.shown(key, state)).collect();
        for (device, on_device) in self.circular_buffers.devices() {
            live.extend(on_device.entries.iter().map(|buffer| buffer.shown(device, state)));
        }
        live.sort_by_key(|region| {
            (std::cmp::Reverse(region.size), region.device, region.memory, region.address, region.allocated_at_ticks)
        });
        live
    }

    /// What closing devices released. Circular buffers are in the sums only.
    pub fn released_at_close(&self) -> &Released {
        &self.released
    }

    /// Events that did not fit.
    pub fn anomalies(&self) -> Anomalies {
        self.anomalies
    }

    /// The first [`MAX_LISTED`] refusals of an allocator.
    pub fn out_of_memory(&self) -> &[OutOfMemory] {
        &self.out_of_memory
    }

    /// Patterns worth a sentence, in the order in which a report tells them.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let partly_freed = || self.regions.iter().filter(|(_, region)| region.holders() < region.reports);
        let regions = partly_freed().count() as u64;
        if regions > 0 {
            let bytes = partly_freed().map(|(_, region)| u128::from(region.size)).sum();
            findings.push(Finding::HeldByFewerThanReported { regions, bytes });
        }
        findings.extend(overlap::find(self.regions.iter()));
        for (device, on_device) in self.circular_buffers.devices() {
            if !on_device.entries.is_empty() && !on_device.release_was_reported {
                findings.push(Finding::NoCircularBufferRelease { device, buffers: on_device.entries.len() as u64 });
            }
        }
        if self.anomalies.unmatched_frees > 0 {
            findings.push(Finding::UnmatchedFrees { frees: self.anomalies.unmatched_frees });
        }
        if self.released.count > 0 {
            findings.push(Finding::ReleasedAtClose { regions: self.released.count, bytes: self.released.bytes });
        }
        if self.out_of_memory_times > 0 {
            findings.push(Finding::OutOfMemory { times: self.out_of_memory_times });
        }
        findings
    }
}
