//! How full the L1 of a device is: programs place from its bottom upwards, the allocator from its top downwards, and a program
//! is refused where they meet.

use serde::{Deserialize, Serialize};
use ttmem_wire::{CoreRange, Event, EventKind, Memory, OnCore};

use crate::{
    footprint::{Footprint, Placement},
    places::Places,
    program_memory::ProgramMemory,
    totals::{RunningTotals, Sums, is_count},
};

/// A bank of a memory, as its allocator was made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bank {
    /// Where it begins.
    pub base: u64,
    /// Its bytes.
    pub bytes: u64,
    /// How many a device has.
    pub banks: u32,
}

impl Bank {
    /// What an event of kind `Capacity` reports.
    pub(crate) fn of(event: &Event) -> Self {
        Self { base: event.address, bytes: event.size, banks: event.extra }
    }

    /// The event that reports it, but for its memory and its device.
    pub(crate) fn event(&self) -> Event {
        let Self { base, bytes, banks } = *self;
        Event { kind: EventKind::Capacity, address: base, size: bytes, extra: banks, ..Event::default() }
    }

    /// The address behind it.
    pub(crate) fn end(&self) -> u64 {
        self.base.saturating_add(self.bytes)
    }

    pub(crate) fn is_sound(&self) -> bool {
        is_count(self.base) && is_count(self.bytes)
    }
}

/// The core of a device of which programs and persistent arenas take most. Buffers take the same of each core, since a buffer has its address in
/// every bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Pressure {
    /// Bytes of a bank; `None` before an allocator of the device was seen.
    pub capacity_per_bank: Option<u64>,
    /// The core's column.
    pub x: u16,
    /// The core's row.
    pub y: u16,
    /// The union of what live programs take there.
    pub program_bytes: u64,
    /// What persistent arenas have handed out there, below what programs place.
    pub persistent_bytes: u64,
    /// What buffers take there; `None` where the bytes a bank of one are not known.
    pub buffer_bytes: Option<u64>,
    /// Bytes between what reaches furthest of these and the lowest buffer; `None` where either is not known.
    pub free_bytes: Option<u64>,
    /// The call site of what reaches furthest there, 0 for none.
    pub site: u32,
}

/// Of a device with some bank, if it is known. `None` where nothing was placed, and no bank is known.
pub(crate) fn find(
    programs: &ProgramMemory,
    places: &Places,
    sums: &Sums,
    device: i32,
    bank: Option<Bank>,
) -> Option<L1Pressure> {
    let persistent = persistent(places, device);
    let mut footprint = Footprint::default();
    let of_programs = || programs.on(device).flat_map(|(_, placed)| placed.pieces());
    of_programs().for_each(|piece| footprint.add(piece));
    persistent.iter().for_each(|&(placed, _)| footprint.add(placed));
    let (core, bytes) = footprint.fullest_core();
    if bytes == 0 && bank.is_none() {
        return None;
    }
    let buffers = || programs.on(device).flat_map(|(_, placed)| placed.entries());
    let there = buffers().flat_map(|buffer| buffer.placements().map(|placed| (placed, buffer.site())));
    let edge = there
        .chain(persistent.iter().copied())
        .filter(|(placed, _)| placed.is_on(core))
        .map(|(placed, site)| (placed.end(), site))
        .reduce(|best, one| if one.0 > best.0 { one } else { best });
    let lowest = places.regions_in_banks(device, Memory::L1).map(|(key, _)| key.address).min();
    let top = lowest.or_else(|| bank.map(|bank| bank.end()));
    let end = edge.map(|(end, _)| end).or(bank.map(|bank| bank.base));
    let totals = sums.known(device, Memory::L1).map(RunningTotals::shown);
    let bytes_on_core = |placed: &mut dyn Iterator<Item = Placement>| {
        let mut footprint = Footprint::default();
        let cores = Some(CoreRange::one(core.0, core.1));
        placed.filter(|placed| placed.is_on(core)).for_each(|placed| footprint.add(Placement { cores, ..placed }));
        u64::try_from(footprint.fullest_core().1).unwrap_or(u64::MAX)
    };
    Some(L1Pressure {
        capacity_per_bank: bank.map(|bank| bank.bytes),
        x: core.0,
        y: core.1,
        program_bytes: bytes_on_core(&mut of_programs()),
        persistent_bytes: bytes_on_core(&mut persistent.iter().map(|&(placed, _)| placed)),
        buffer_bytes: totals.map_or(Some(0), |totals| totals.live_bytes_per_bank),
        free_bytes: top.zip(end).map(|(top, end)| top.saturating_sub(end)),
        site: edge.map_or(0, |(_, site)| site),
    })
}

/// What persistent arenas have handed out, each with its call site. Service cores are no cores of the allocators, and not looked at.
fn persistent(places: &Places, device: i32) -> Vec<(Placement, u32)> {
    let past = places.regions_in(device, Memory::L1).filter(|(key, region)| region.is_past_allocators(key));
    let on_core = past.filter(|(_, region)| !region.is_on_service_core()).filter_map(|(key, region)| {
        let OnCore::At { x, y } = key.core()? else { return None };
        let placed = Placement { address: key.address, size: region.extent().bytes, cores: Some(CoreRange::one(x, y)) };
        Some((placed, region.site()))
    });
    on_core.collect()
}
