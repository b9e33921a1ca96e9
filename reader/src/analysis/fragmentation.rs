//! How the free bytes of a memory are split, and which allocations stand between them.

use ttmem_ledger::{FreeList, LiveRegion};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{Allocation, alike, process::allocations, sites::CallSites};
use crate::replay;

/// The free block that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedBlock {
    /// Twice the largest that there is, or all that is free.
    Larger,
    /// Of so many bytes.
    Of(u64),
}

/// The free blocks of a memory, on devices that have them alike.
#[derive(Clone, Debug)]
pub struct Fragmentation {
    /// The devices.
    pub devices: Vec<i32>,
    /// Which memory.
    pub memory: Memory,
    /// Its free blocks.
    pub list: FreeList,
    /// Bytes of the block that `ways_out` would make: what was asked for, else twice the largest, or all that is free.
    pub wanted: u64,
    /// The allocations of the first device that would have to go for it, cheapest first.
    pub ways_out: Vec<WayOut>,
}

/// Allocations that all have to go for one free block.
#[derive(Clone, Debug)]
pub struct WayOut {
    /// The address of the block that would be free.
    pub address: u64,
    /// Its bytes.
    pub block: u64,
    /// Bytes of each bank that are released for it.
    pub released_per_bank: u64,
    /// How many allocations.
    pub allocations: u64,
    /// The first eight of them, largest first.
    pub released: Vec<Allocation>,
}

impl WayOut {
    pub(super) fn new(way: &ttmem_ledger::WayOut, clock: &ClockMap, sites: &CallSites<'_>) -> Self {
        Self {
            address: way.address,
            block: way.block,
            released_per_bank: way.released_per_bank,
            allocations: way.allocations,
            released: allocations(&way.released, clock, sites),
        }
    }
}

/// Of all memories whose free blocks are known.
pub(super) fn fragmentation(
    moment: &replay::Moment,
    wanted: WantedBlock,
    clock: &ClockMap,
    sites: &CallSites<'_>,
) -> Vec<Fragmentation> {
    let groups = alike(&moment.free, |one| one.0, |one| (one.1, &one.2));
    let of_group = groups.into_iter().map(|group| {
        let &(device, memory, ref list) = group.first;
        let lives = moment.live.iter().map(|life| life.region);
        let live: Vec<LiveRegion> = lives.filter(|one| (one.device, one.memory) == (device, memory)).collect();
        let wanted = match wanted {
            WantedBlock::Larger => list.largest_block().saturating_mul(2).min(list.free()),
            WantedBlock::Of(bytes) => bytes,
        };
        let ways = list.ways_out(&live, wanted);
        Fragmentation {
            devices: group.devices,
            memory,
            list: list.clone(),
            wanted,
            ways_out: ways.iter().map(|way| WayOut::new(way, clock, sites)).collect(),
        }
    });
    of_group.collect()
}
