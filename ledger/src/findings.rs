//! What the ledger noticed beside the sums.

use serde::{Deserialize, Serialize};
use ttmem_wire::{Memory, Space};

use crate::{Clash, LiveRegion, SiteHolding, WayOut};

/// Events that did not fit, counted. None of them is fatal, and none changes a total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomalies {
    /// Frees that matched nothing live; one that names a pool counts once for each chip.
    pub unmatched_frees: u64,
    /// Of these, frees of what one of the last 256 frees had freed already.
    pub double_frees: u64,
    /// Allocations of a holder that held the same region already.
    pub duplicate_holders: u64,
    /// Events on a pool that the ring's table does not have.
    pub unknown_pools: u64,
    /// Allocations and refusals that do not say which memory; they are attributed to nothing.
    pub without_memory: u64,
    /// Frees that came after the device was closed: expected, and not counted as unmatched.
    pub late_frees: u64,
}

/// What closing devices released.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Released {
    /// The regions, as they were when they were released; the first [`crate::MAX_LISTED`] of them.
    pub regions: Vec<LiveRegion>,
    /// How many there were in all.
    pub count: u64,
    /// Their bytes, over all devices.
    pub bytes: u128,
    /// Of these, regions that were made for programs in the program cache.
    pub cached: u64,
}

/// An allocator refused, or a program's circular buffers (then the memory is theirs) found no room in L1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfMemory {
    /// On which devices.
    pub devices: Vec<i32>,
    /// In which memory.
    pub memory: Memory,
    /// Bytes asked for, on each device. Of circular buffers on a core, as far as it is known where they begin; else 0.
    pub size: u64,
    /// Bytes asked for in each bank, where known.
    pub size_per_bank: Option<u64>,
    /// What the allocator had left, where known.
    pub space: Option<Space>,
    /// When, in ticks of the ring's clock.
    pub ticks: u64,
    /// The thread that asked.
    pub thread: u32,
    /// The interned call site, 0 for none.
    pub site: u32,
    /// Bytes live then in that memory (for circular buffers, in L1), on the first of the devices.
    pub live_bytes: u64,
    /// The same in each bank, where known.
    pub live_bytes_per_bank: Option<u64>,
    /// The largest regions there then, largest first; empty where there were too many refusals to look each time. For
    /// circular buffers, those that were in their way.
    pub holders: Vec<LiveRegion>,
    /// The call sites that held most there then, over all their regions.
    pub sites: Vec<SiteHolding>,
    /// What was in whose way, if it was circular buffers that were refused.
    pub clash: Option<Clash>,
    /// What would have to go for a block that is large enough, cheapest first; empty where that is not known.
    pub ways_out: Vec<WayOut>,
    /// What the allocator said where memory had not run out; empty where its words are not known.
    pub other_reason: Option<String>,
}

impl OutOfMemory {
    /// The call sites that it names, some more than once.
    pub(crate) fn sites(&self) -> impl Iterator<Item = u32> {
        let lowest = self.clash.iter().filter_map(|clash| clash.lowest.as_ref()).map(|region| region.site);
        let of_clash =
            self.clash.iter().flat_map(|clash| clash.parts.iter().chain(clash.reliefs.iter().map(|one| &one.buffer)));
        let released = self.ways_out.iter().flat_map(|way| &way.released);
        let holders = self.holders.iter().chain(released).chain(of_clash).map(|holder| holder.site);
        [self.site].into_iter().chain(holders).chain(self.sites.iter().map(|holding| holding.site)).chain(lowest)
    }

    /// Whether there was room enough in each bank, but in no single block.
    pub fn is_fragmented(&self) -> Option<bool> {
        let (space, wanted) = (self.space?, self.size_per_bank?);
        Some(space.free >= wanted && space.largest_block < wanted)
    }
}

/// A pattern worth a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Regions that were reported more often than they were freed, and freed at least once.
    HeldByFewerThanReported {
        /// How many.
        regions: u64,
        /// Their bytes, over all devices.
        bytes: u128,
    },
    /// Two allocators (a mesh's and its submesh's) have handed out the same bytes of the same banks.
    AllocatorsOverlap {
        /// The device.
        device: i32,
        /// Which memory.
        memory: Memory,
        /// Regions that lie, in part at least, in a region of another allocator.
        regions: u64,
    },
    /// Buffers with an address of their own on each core, which can't be read.
    AddressesUnknown {
        /// How many.
        regions: u64,
        /// Their bytes, over all devices.
        bytes: u128,
    },
    /// Buffers that the program cache holds.
    Cached {
        /// How many.
        regions: u64,
        /// Their bytes, over all devices.
        bytes: u128,
    },
    /// Circular buffers live on a device for which no release was ever reported.
    NoCircularBufferRelease {
        /// The device.
        device: i32,
        /// How many circular buffers.
        buffers: u64,
    },
    /// Frees that matched nothing.
    UnmatchedFrees {
        /// How many.
        frees: u64,
    },
    /// Buffers that were still held when their device was closed.
    ReleasedAtClose {
        /// How many.
        regions: u64,
        /// Their bytes, over all devices.
        bytes: u128,
    },
    /// The allocator refused, or programs found no room.
    OutOfMemory {
        /// How often.
        times: u64,
        /// Of these, programs whose circular buffers found no room.
        clashes: u64,
    },
}
