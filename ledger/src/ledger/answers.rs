//! What a ledger answers.

use std::collections::BTreeMap;

use ttmem_wire::{Memory, OnCore};

use super::{End, Ledger, life, made, seen};
use crate::{
    Anomalies, Finding, FreeList, Headroom, Life, LiveRegion, OutOfMemory, Released, Series, State, Totals, free_list,
    l1_map::{self, L1Piece},
    live::sort_largest_first,
    overlap,
    peak::PeakComposition,
    pressure::{self, Bank, L1Pressure},
    totals::RunningTotals,
};

impl Ledger {
    /// What marks, the closes of devices, and time say about growth. Circular buffers are left out.
    pub fn growth(&self) -> Vec<Series> {
        let live = self.places.regions().map(|(key, region)| seen(&key, region));
        self.growth.series(live, self.sums.live(), self.released.count)
    }

    /// What is live, each with what it is known by; in the order of device, memory, allocator, address.
    pub fn lives(&self) -> Vec<Life> {
        let mut lives: Vec<Life> = self.places.regions().map(|(key, region)| life(key, region, self.state())).collect();
        for (memory, device, on_device) in self.programs.devices() {
            lives.extend(on_device.entries_by_program().map(|(program, buffer)| Life {
                region: buffer.shown(device, memory, self.state()),
                allocator: 0,
                program,
            }));
        }
        // What is equal in all of this stays in the order of its placement.
        lives.sort_by_key(|life| {
            let region = &life.region;
            (region.device, region.memory, life.allocator, region.address, life.program)
        });
        lives
    }

    fn state(&self) -> State {
        match self.end {
            None => State::Live,
            Some(End::Exited) => State::LiveAtExit,
            Some(End::Killed) => State::Orphaned,
        }
    }

    /// The sums, by device, then memory.
    pub fn totals(&self) -> Vec<(i32, Memory, Totals)> {
        self.sums.iter().map(|(device, memory, totals)| (device, memory, totals.shown())).collect()
    }

    /// What made the peak of each memory of each device, by device, then memory. Where nothing was ever live, and of
    /// program memory, there is none. Walks over what is live where a peak is young: nothing to ask after each event.
    pub fn peaks(&self) -> Vec<PeakComposition> {
        let memories = self.sums.iter().filter(|(_, memory, _)| !memory.is_of_programs());
        let shown = memories.map(|(device, memory, totals)| {
            let live = || made(self.places.regions_in(device, memory));
            totals.peak.shown((device, memory), totals.shown().peak_bytes, live)
        });
        shown.filter(|peak| peak.peak_bytes > 0).collect()
    }

    /// How full the L1 of a device is, where programs place and where its allocator was seen.
    pub fn l1_pressure(&self, device: i32) -> Option<L1Pressure> {
        pressure::find(&self.programs, &self.places, &self.sums, device, self.bank(device, Memory::L1))
    }

    /// What lies in the L1 of a core of a device, by address.
    pub fn l1_map(&self, device: i32, core: (u16, u16)) -> Vec<L1Piece> {
        l1_map::pieces(&self.programs, &self.places, device, core)
    }

    /// Bytes that are live in a memory of a device.
    pub fn live_bytes_of(&self, device: i32, memory: Memory) -> u64 {
        self.sums.known(device, memory).map_or(0, |totals| totals.shown().live_bytes)
    }

    /// The sums of a memory of a device, if it was ever used.
    pub fn totals_of(&self, device: i32, memory: Memory) -> Option<Totals> {
        self.sums.known(device, memory).map(RunningTotals::shown)
    }

    /// What allocators were made with, by device and memory.
    pub fn banks(&self) -> &BTreeMap<(i32, Memory), Bank> {
        &self.banks
    }

    /// What the allocator of a memory was made with, if it was seen.
    pub fn bank(&self, device: i32, memory: Memory) -> Option<Bank> {
        self.banks.get(&(device, memory)).copied()
    }

    /// The free blocks of a memory, if its allocator was seen and the bytes a bank of all that lives in it are known. Sorts what
    /// is live there: nothing to ask after each event.
    pub fn free_list(&self, device: i32, memory: Memory) -> Option<FreeList> {
        let bank = self.bank(device, memory)?;
        let live = self.places.regions_in(device, memory).map(|(key, region)| region.shown(key, State::Live));
        Some(FreeList::new(bank, live.map(|region| free_list::taken(&region)).collect::<Option<_>>()?))
    }

    /// What a memory has, and has left, if its allocator was seen.
    pub fn headroom(&self, device: i32, memory: Memory) -> Option<Headroom> {
        Some(Headroom::new(self.bank(device, memory)?, self.free_list(device, memory).as_ref()))
    }

    /// The devices and memories that were ever used, in the order of their first use: an entry keeps its place.
    pub fn memories(&self) -> Vec<(i32, Memory)> {
        self.sums.keys()
    }

    /// Bytes live in each of [`Ledger::memories`]. Cheap enough to be asked after every event.
    pub fn live_bytes(&self) -> impl Iterator<Item = u64> {
        self.sums.live_bytes()
    }

    /// What is live (or was when the process ended): largest first, then by device, memory, address, age.
    pub fn live(&self) -> Vec<LiveRegion> {
        let mut live: Vec<LiveRegion> = self.iter_live().collect();
        sort_largest_first(&mut live);
        live
    }

    /// The same in no order.
    pub fn iter_live(&self) -> impl Iterator<Item = LiveRegion> {
        let state = self.state();
        let placed = self.programs.devices().flat_map(move |(memory, device, on_device)| {
            on_device.entries().map(move |buffer| buffer.shown(device, memory, state))
        });
        self.places.regions().map(move |(key, region)| region.shown(key, state)).chain(placed)
    }

    /// What closing devices released, close by close. Program memory is in the sums only.
    pub fn released_at_close(&self) -> &Released {
        &self.released
    }

    /// Events that did not fit.
    pub fn anomalies(&self) -> Anomalies {
        self.anomalies
    }

    /// The first [`MAX_LISTED`] refusals of an allocator.
    pub fn out_of_memory(&self) -> &[OutOfMemory] {
        self.refusals.list()
    }

    /// Regions and program memory that are live.
    pub fn live_count(&self) -> u64 {
        self.sums.live()
    }

    /// Patterns worth a sentence, in the order in which a report tells them.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let partly_freed = || self.places.regions().filter(|(_, region)| region.holders() < region.reports);
        let regions = partly_freed().count() as u64;
        if regions > 0 {
            let bytes = partly_freed().map(|(_, region)| u128::from(region.extent().bytes)).sum();
            findings.push(Finding::HeldByFewerThanReported { regions, bytes });
        }
        findings.extend(overlap::find(self.places.regions()));
        let unknown = || self.places.regions().filter(|(key, _)| key.core() == Some(OnCore::Unknown));
        let regions = unknown().count() as u64;
        if regions > 0 {
            let bytes = unknown().map(|(_, region)| u128::from(region.extent().bytes)).sum();
            findings.push(Finding::AddressesUnknown { regions, bytes });
        }
        let cached = || self.places.regions().filter(|(_, region)| region.is_cached());
        let regions = cached().count() as u64;
        if regions > 0 {
            let bytes = cached().map(|(_, region)| u128::from(region.extent().bytes)).sum();
            findings.push(Finding::Cached { regions, bytes });
        }
        let unreleased = self.programs.circular_buffers().never_released();
        findings.extend(unreleased.map(|(device, buffers)| Finding::NoCircularBufferRelease { device, buffers }));
        if self.anomalies.unmatched_frees > 0 {
            findings.push(Finding::UnmatchedFrees { frees: self.anomalies.unmatched_frees });
        }
        if self.released.count > 0 {
            findings.push(Finding::ReleasedAtClose { regions: self.released.count, bytes: self.released.bytes });
        }
        let (times, clashes) = self.refusals.times();
        if times > 0 {
            findings.push(Finding::OutOfMemory { times, clashes });
        }
        findings
    }
}
