//! What is live, as reports show it.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use ttmem_wire::{Memory, OnCore};

/// What became of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// A region, or a circular buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRegion {
    /// Device id.
    pub device: i32,
    /// Which memory.
    pub memory: Memory,
    /// Address within each bank.
    pub address: u64,
    /// Bytes on this device; the largest that was reported.
    pub size: u64,
    /// Bytes in each bank, where known.
    pub size_per_bank: Option<u64>,
    /// Where its address is that of one core alone.
    pub core: Option<OnCore>,
    /// Holders that have not let go.
    pub holders: u32,
    /// Holders that were ever reported since it came to life. The same one reported again is an anomaly, not a report more.
    pub reports: u32,
    /// What became of it.
    pub state: State,
    /// When it came to life, in ticks of the ring's clock.
    pub allocated_at_ticks: u64,
    /// The thread that made it.
    pub thread: u32,
    /// The interned call site, 0 for none.
    pub site: u32,
    /// The interned description of the tensor that it was made for, 0 for none.
    pub tensor: u32,
    /// Cores of a circular buffer, else 0.
    pub num_cores: u32,
    /// A circular buffer inside a buffer that is counted already.
    pub globally_allocated: bool,
    /// First reported over memory that the allocator did not hand out (`owns_data = false`).
    pub preallocated: bool,
    /// Made for a program that the program cache keeps: freed when the cache is cleared, and no leak.
    pub cached: bool,
}

impl LiveRegion {
    /// The interned records that it names.
    pub(crate) fn labels(&self) -> [u32; 2] {
        [self.site, self.tensor]
    }
}

/// Largest first, then by device, memory, address and age; what is equal in all of them stays in its order.
pub(crate) fn sort_largest_first(regions: &mut [LiveRegion]) {
    regions.sort_by_key(|region| {
        (Reverse(region.size), region.device, region.memory, region.address, region.allocated_at_ticks)
    });
}
