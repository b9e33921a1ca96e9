//! A live region: bytes that somebody holds, at one address of one memory of one device.

use ttmem_wire::{Event, Memory, flags};

use crate::totals::Extent;

/// What became of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The process runs and holds it.
    Live,
    /// The process exited and held it until then.
    LiveAtExit,
    /// The process was killed and held it until then.
    Orphaned,
    /// Its device was closed while it was held.
    ReleasedAtClose,
}

/// A region (or circular buffer) as reports show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveRegion {
    /// Device id.
    pub device: i32,
    /// Which memory.
    pub memory: Memory,
    /// Address within each bank.
    pub address: u64,
    /// Bytes on this device.
    pub size: u64,
    /// Bytes in each bank, where known.
    pub size_per_bank: Option<u64>,
    /// Holders that have not let go.
    pub holders: u32,
    /// Reports of an allocation of it.
    pub reports: u32,
    /// What became of it.
    pub state: State,
    /// When it came to life, in ticks of the ring's clock.
    pub allocated_at_ticks: u64,
    /// The thread that made it.
    pub thread: u32,
    /// The interned call site, 0 for none.
    pub site: u32,
    /// Cores of a circular buffer, else 0.
    pub num_cores: u32,
    /// A circular buffer inside a buffer that is counted already.
    pub globally_allocated: bool,
}

/// What a region is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) address: u64,
    pub(crate) device: i32,
    /// The allocator's number in its pool, 0 for none. A submesh has an allocator of its own, which hands out the same
    /// addresses of the same chips as its parent's: two regions, each in its own books.
    pub(crate) allocator: u32,
    pub(crate) memory: Memory,
}

/// A region in the table: compact, since there are many. The first holder with an id is inline; further ones are rare and
/// lie in a table of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub(crate) size: u64,
    per_bank: u64,
    pub(crate) ticks: u64,
    /// An id of a holder, 0 for none.
    pub(crate) holder: u64,
    /// Holders with an id.
    pub(crate) identified: u32,
    /// Holders without.
    pub(crate) anonymous: u32,
    pub(crate) reports: u32,
    pub(crate) thread: u32,
    pub(crate) site: u32,
}

/// Stands for "bytes a bank not known".
const UNKNOWN: u64 = u64::MAX;

impl Region {
    /// A region that nobody holds yet.
    pub(crate) fn new(event: &Event) -> Self {
        Self {
            size: event.size,
            per_bank: event.size_per_bank.unwrap_or(UNKNOWN),
            ticks: event.ticks,
            holder: 0,
            identified: 0,
            anonymous: 0,
            reports: 0,
            thread: event.thread,
            site: event.site,
        }
    }

    pub(crate) fn extent(&self) -> Extent {
        Extent { bytes: self.size, per_bank: (self.per_bank != UNKNOWN).then_some(self.per_bank) }
    }

    /// Another report of the same bytes: the larger extent holds.
    pub(crate) fn widen(&mut self, event: &Event) {
        self.size = self.size.max(event.size);
        if let Some(reported) = event.size_per_bank {
            let known = if self.per_bank == UNKNOWN { 0 } else { self.per_bank };
            self.per_bank = known.max(reported);
        }
    }

    pub(crate) fn holders(&self) -> u32 {
        self.identified + self.anonymous
    }

    pub(crate) fn shown(&self, key: Key, state: State) -> LiveRegion {
        let extent = self.extent();
        LiveRegion {
            device: key.device,
            memory: key.memory,
            address: key.address,
            size: extent.bytes,
            size_per_bank: extent.per_bank,
            holders: self.holders(),
            reports: self.reports,
            state,
            allocated_at_ticks: self.ticks,
            thread: self.thread,
            site: self.site,
            num_cores: 0,
            globally_allocated: false,
        }
    }
}

/// A placed circular buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CircularBuffer {
    address: u64,
    size: u64,
    ticks: u64,
    thread: u32,
    site: u32,
    num_cores: u32,
    pub(crate) globally_allocated: bool,
}

impl CircularBuffer {
    pub(crate) fn new(event: &Event) -> Self {
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
            size_per_bank: Some(self.size),
            holders: 1,
            reports: 1,
            state,
            allocated_at_ticks: self.ticks,
            thread: self.thread,
            site: self.site,
            num_cores: self.num_cores,
            globally_allocated: self.globally_allocated,
        }
    }
}
