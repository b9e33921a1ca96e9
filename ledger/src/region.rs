//! A live region: bytes that somebody holds, at one address of one memory of one device.

use serde::{Deserialize, Serialize};
use ttmem_wire::{Event, Memory, OnCore, flags};

use crate::{LiveRegion, State, peak::MadeBy, totals::Extent};

/// What a region is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) address: u64,
    pub(crate) device: i32,
    pub(crate) memory: Memory,
    /// The allocator's number in its pool, 0 for none. A submesh has an allocator of its own, which hands out the same
    /// addresses of the same chips as its parent's: two regions, each in its own books. Of a part of a buffer on one core the
    /// [`OnCore::code`] stands here.
    pub(crate) allocator: u32,
}

impl Key {
    /// The core that has the address for itself.
    pub(crate) fn core(&self) -> Option<OnCore> {
        OnCore::from_code(self.allocator)
    }
}

/// A region in the table: compact, since there are many. The usual holders lie in it: one with an id and any number
/// without. Further ones with an id are in a table of their own, see [`crate::holders`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    size: u64,
    per_bank: u64,
    pub(crate) ticks: u64,
    /// The id of a holder, 0 for none.
    pub(crate) holder: u64,
    /// Holders without an id.
    pub(crate) anonymous: u32,
    /// Holders in the other table.
    pub(crate) further: u32,
    pub(crate) reports: u32,
    thread: u32,
    pub(crate) site: u32,
    flags: u16,
}

/// A region with its address, in a cache line of its own: an event touches that one. With the table of addresses, 100,000 of
/// them cost less than 120 bytes each.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Entry {
    pub(crate) address: u64,
    pub(crate) region: Region,
}

const _: () = assert!(size_of::<Entry>() == 64);

/// Stands for "bytes a bank not known".
const UNKNOWN: u64 = u64::MAX;

impl Region {
    pub(crate) fn new(event: &Event) -> Self {
        Self {
            size: event.size,
            per_bank: event.size_per_bank.unwrap_or(UNKNOWN),
            ticks: event.ticks,
            holder: event.holder,
            anonymous: u32::from(event.holder == 0),
            further: 0,
            reports: 1,
            thread: event.thread,
            site: event.site,
            flags: event.flags,
        }
    }

    /// Numbers that it is saved as.
    pub(crate) const FIELDS: usize = 10;

    pub(crate) fn fields(&self) -> [u64; Self::FIELDS] {
        let Self { size, per_bank, ticks, holder, anonymous, further, reports, thread, site, flags } = *self;
        // Unknown is a small number then.
        let per_bank = per_bank.wrapping_add(1);
        let small = [anonymous, further, reports, thread, site].map(u64::from);
        let [anonymous, further, reports, thread, site] = small;
        [size, per_bank, ticks, holder, anonymous, further, reports, thread, site, flags.into()]
    }

    /// What was saved; `None` if no region can have been.
    pub(crate) fn from_fields(fields: [u64; Self::FIELDS]) -> Option<Self> {
        let [size, per_bank, ticks, holder, anonymous, further, reports, thread, site, flags] = fields;
        let narrow = |number: u64| u32::try_from(number).ok();
        Some(Self {
            size,
            per_bank: per_bank.wrapping_sub(1),
            ticks,
            holder,
            anonymous: narrow(anonymous)?,
            further: narrow(further)?,
            reports: narrow(reports)?,
            thread: narrow(thread)?,
            site: narrow(site)?,
            flags: u16::try_from(flags).ok()?,
        })
    }

    pub(crate) fn extent(&self) -> Extent {
        Extent { bytes: self.size, per_bank: (self.per_bank != UNKNOWN).then_some(self.per_bank) }
    }

    pub(crate) fn made_by(&self) -> MadeBy {
        MadeBy { site: self.site, cached: self.is_cached() }
    }

    /// Another report of the same bytes: the larger extent holds.
    pub(crate) fn widen(&mut self, event: &Event) {
        self.size = self.size.max(event.size);
        if let Some(reported) = event.size_per_bank {
            let known = if self.per_bank == UNKNOWN { 0 } else { self.per_bank };
            self.per_bank = known.max(reported);
        }
    }

    /// Holders with an id.
    pub(crate) fn identified(&self) -> u32 {
        self.further.saturating_add(u32::from(self.holder != 0))
    }

    pub(crate) fn holders(&self) -> u32 {
        self.identified().saturating_add(self.anonymous)
    }

    /// Whether it was made for a program that the cache keeps.
    pub(crate) fn is_cached(&self) -> bool {
        self.flags & flags::FOR_PROGRAM != 0
    }

    pub(crate) fn shown(&self, key: Key, state: State) -> LiveRegion {
        let extent = self.extent();
        LiveRegion {
            device: key.device,
            memory: key.memory,
            address: key.address,
            size: extent.bytes,
            size_per_bank: extent.per_bank,
            core: key.core(),
            holders: self.holders(),
            reports: self.reports,
            state,
            allocated_at_ticks: self.ticks,
            thread: self.thread,
            site: self.site,
            num_cores: 0,
            globally_allocated: false,
            preallocated: self.flags & flags::PREALLOCATED != 0,
            cached: self.is_cached(),
        }
    }
}
