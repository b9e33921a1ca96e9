//! What is free, how it is split, and what stands between.

use serde::{Deserialize, Serialize};

use super::{AllocationReport, Context};
use crate::analysis::{Fragmentation, WayOut};

/// The free blocks of a memory, on devices that have them alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FragmentationReport {
    /// The devices.
    pub devices: Vec<i32>,
    /// Which memory.
    pub memory: String,
    /// Banks of a device.
    pub banks: u32,
    /// Bytes of a bank.
    pub capacity_per_bank: u64,
    /// Of these, bytes that are free.
    pub free_bytes_per_bank: u64,
    /// The largest free block.
    pub largest_free_block_per_bank: u64,
    /// All free blocks, from the bottom of the bank.
    pub blocks: Vec<BlockReport>,
    /// Bytes of the block that `ways_out` would make: what was asked for, else twice the largest, or all that is free.
    pub wanted_per_bank: u64,
    /// What would have to go for it, cheapest first; of the first device.
    pub ways_out: Vec<WayOutReport>,
}

/// A free block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockReport {
    /// Its address within each bank.
    pub address: u64,
    /// Its bytes.
    pub size: u64,
}

/// Allocations that all have to go for one free block.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WayOutReport {
    /// The address of the block that would be free.
    pub address: u64,
    /// Its bytes, in each bank.
    pub block_per_bank: u64,
    /// Bytes of each bank that are released for it.
    pub released_per_bank: u64,
    /// How many allocations.
    pub allocations: u64,
    /// The first eight of them, largest first.
    pub released: Vec<AllocationReport>,
}

impl FragmentationReport {
    pub(super) fn new(of: &Fragmentation, context: &Context<'_>) -> Self {
        let blocks = of.list.blocks.iter();
        Self {
            devices: of.devices.clone(),
            memory: of.memory.to_string(),
            banks: of.list.bank.banks,
            capacity_per_bank: of.list.bank.bytes,
            free_bytes_per_bank: of.list.free(),
            largest_free_block_per_bank: of.list.largest_block(),
            blocks: blocks.map(|one| BlockReport { address: one.start, size: one.end - one.start }).collect(),
            wanted_per_bank: of.wanted,
            ways_out: ways_out(&of.ways_out, context),
        }
    }
}

pub(super) fn ways_out(ways: &[WayOut], context: &Context<'_>) -> Vec<WayOutReport> {
    let of_way = ways.iter().map(|way| WayOutReport {
        address: way.address,
        block_per_bank: way.block,
        released_per_bank: way.released_per_bank,
        allocations: way.allocations,
        released: context.allocations(&way.released),
    });
    of_way.collect()
}
