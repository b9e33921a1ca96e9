//! How full the L1 of a device is: programs place from its bottom upwards, the allocator from its top downwards, and a program
//! is refused where they meet.

use serde::{Deserialize, Serialize};
use ttmem_wire::{Event, EventKind};

use crate::{footprint::Footprint, program_memory::ProgramMemory, totals::is_count};

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

/// The core of a device of which programs take most. Buffers take the same of each core, since a buffer has its address in
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
    /// What buffers take there; `None` where the bytes a bank of one are not known.
    pub buffer_bytes: Option<u64>,
    /// Bytes between the program that reaches furthest and the lowest buffer; `None` where either is not known.
    pub free_bytes: Option<u64>,
    /// The call site of the program that reaches furthest there, 0 for none.
    pub site: u32,
}

/// Of a device with some bank, if it is known, the lowest buffer in L1, and what buffers take of a bank. `None` where no
/// program has placed anything, and no bank is known.
pub(crate) fn find(
    programs: &ProgramMemory,
    device: i32,
    bank: Option<Bank>,
    lowest: Option<u64>,
    buffer_bytes: Option<u64>,
) -> Option<L1Pressure> {
    let mut footprint = Footprint::default();
    programs.on(device).flat_map(|(_, placed)| placed.pieces()).for_each(|piece| footprint.add(piece));
    let ((x, y), bytes) = footprint.fullest_core();
    if bytes == 0 && bank.is_none() {
        return None;
    }
    let buffers = || programs.on(device).flat_map(|(_, placed)| placed.entries());
    let there = buffers().flat_map(|buffer| buffer.placements().map(|placed| (placed, buffer.site())));
    let edge = there
        .filter(|(placed, _)| placed.is_on((x, y)))
        .map(|(placed, site)| (placed.end(), site))
        .reduce(|best, one| if one.0 > best.0 { one } else { best });
    let top = lowest.or_else(|| bank.map(|bank| bank.end()));
    let end = edge.map(|(end, _)| end).or(bank.map(|bank| bank.base));
    Some(L1Pressure {
        capacity_per_bank: bank.map(|bank| bank.bytes),
        x,
        y,
        program_bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        buffer_bytes,
        free_bytes: top.zip(end).map(|(top, end)| top.saturating_sub(end)),
        site: edge.map_or(0, |(_, site)| site),
    })
}
