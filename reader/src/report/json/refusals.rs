//! When memory was refused: what was asked for and where, why there was none, and who held most.

use serde::{Deserialize, Serialize};

use super::{AllocationReport, Context, WayOutReport, fragmentation::ways_out};
use crate::{
    analysis::{Collision, Holding, Refusal, Relief},
    report::words,
};

/// A refusal: of the allocator, or of a program whose circular buffers found no room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of ttmem_ledger::OutOfMemory")]
pub struct OutOfMemoryReport {
    pub devices: Vec<i32>,
    pub memory: String,
    pub size: u64,
    pub size_per_bank: Option<u64>,
    pub at_ns: u64,
    pub live_bytes: u64,
    #[serde(default)]
    pub live_bytes_per_bank: Option<u64>,
    /// Free in each bank then; null where the allocator did not say.
    #[serde(default)]
    pub free_bytes_per_bank: Option<u64>,
    /// The largest free block in each bank then.
    #[serde(default)]
    pub largest_free_block_per_bank: Option<u64>,
    /// What a bank had too little of: of all that is free, or of one block where all would do.
    #[serde(default)]
    pub missing_bytes_per_bank: Option<u64>,
    /// Whether there was enough in all, but in no single block.
    #[serde(default)]
    pub is_fragmented: Option<bool>,
    #[serde(default)]
    pub thread: u32,
    /// Who asked: the call site, innermost frame first; empty where it is not known.
    #[serde(default)]
    pub site: Vec<String>,
    /// The operation of ttnn that asked, where a frame tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// The largest regions in that memory then, on the first device.
    #[serde(default)]
    pub holders: Vec<AllocationReport>,
    /// The call sites that held most there.
    #[serde(default)]
    pub holders_by_site: Vec<HoldingReport>,
    /// The same added up by operation.
    #[serde(default)]
    pub holders_by_op: Vec<HoldingReport>,
    /// Of circular buffers that found no room: what was in whose way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clash: Option<ClashReport>,
    /// What would have to go for a block that is large enough, cheapest first; missing where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways_out: Vec<WayOutReport>,
    /// What the allocator said where memory had not run out; empty where its words are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_reason: Option<String>,
}

/// What one call site, or one operation, held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingReport {
    /// The call site; empty where it is not known, and where an operation is told.
    pub site: Vec<String>,
    /// The operation, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// How many regions.
    pub regions: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Held by the program cache: they go when it is cleared.
    pub cached: bool,
    /// When the oldest of them was made.
    pub oldest_at_ns: u64,
    /// And the youngest.
    pub youngest_at_ns: u64,
    /// The most holders that any of them has.
    pub most_holders: u32,
}

/// Circular buffers of a program met the buffers in L1, or its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClashReport {
    /// Of which program, as far as the circular buffers of one can be told from another's; 0 if not known.
    pub program: u64,
    /// `circular` or `dataflow`.
    pub buffers: String,
    /// The cores where there was no room, as tt-metal writes them: "[0-0 - 7-7]".
    pub cores: Option<String>,
    /// Where the program's buffers end there.
    pub region_end: Option<u64>,
    /// Where the lowest buffer in L1 lies; null where the program's are too large for L1 itself.
    pub lowest_address: Option<u64>,
    /// The size of L1, where they are.
    pub l1_size: Option<u64>,
    /// What was missing on each of these cores.
    pub shortfall_bytes: Option<u64>,
    /// The lowest buffer.
    pub lowest: Option<AllocationReport>,
    /// Buffers in L1 that begin below `region_end`.
    pub in_the_way_regions: u64,
    /// Their bytes on the device.
    pub in_the_way_bytes: u64,
    /// What the program itself has placed, largest first; the first 16.
    #[serde(default)]
    pub parts: Vec<AllocationReport>,
    /// The lowest buffers, and what each of them gives; as many as are needed, eight at most.
    #[serde(default)]
    pub reliefs: Vec<ReliefReport>,
}

/// A buffer that ends the space of programs, and what it would give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReliefReport {
    /// Bytes that a program gains on each core once this buffer, and those below it, are gone from L1.
    pub gained_bytes: u64,
    /// The buffer.
    pub buffer: AllocationReport,
}

impl OutOfMemoryReport {
    pub(crate) fn new(refusal: &Refusal, context: &Context<'_>) -> Self {
        let holdings = |all: &[Holding]| all.iter().map(|one| HoldingReport::new(one, context)).collect();
        Self {
            devices: refusal.devices.clone(),
            memory: refusal.memory.to_string(),
            size: refusal.size,
            size_per_bank: refusal.size_per_bank,
            at_ns: refusal.at_ns,
            live_bytes: refusal.live_bytes,
            live_bytes_per_bank: refusal.live_bytes_per_bank,
            free_bytes_per_bank: refusal.space.map(|space| space.free),
            largest_free_block_per_bank: refusal.space.map(|space| space.largest_block),
            missing_bytes_per_bank: refusal.missing_per_bank,
            is_fragmented: refusal.is_fragmented,
            thread: refusal.thread,
            site: context.frames(&refusal.site),
            op: Context::op(&refusal.site),
            holders: context.allocations(&refusal.largest),
            holders_by_site: holdings(&refusal.by_site),
            holders_by_op: holdings(&refusal.by_op),
            clash: refusal.clash.as_ref().map(|clash| ClashReport::new(clash, context)),
            ways_out: ways_out(&refusal.ways_out, context),
            other_reason: refusal.other_reason.clone(),
        }
    }
}

impl HoldingReport {
    fn new(holding: &Holding, context: &Context<'_>) -> Self {
        Self {
            site: context.frames(&holding.site),
            op: Context::op(&holding.site),
            regions: holding.held.allocations,
            bytes: holding.held.bytes,
            cached: holding.cached,
            oldest_at_ns: holding.oldest_ns,
            youngest_at_ns: holding.youngest_ns,
            most_holders: holding.most_owners,
        }
    }
}

impl ClashReport {
    fn new(clash: &Collision, context: &Context<'_>) -> Self {
        let relief = |one: &Relief| ReliefReport { gained_bytes: one.gained, buffer: context.allocation(&one.buffer) };
        Self {
            program: clash.program,
            buffers: if clash.is_dataflow { "dataflow" } else { "circular" }.to_owned(),
            cores: words::refusals::cores(clash),
            region_end: clash.region_end,
            lowest_address: clash.lowest_address,
            l1_size: clash.l1_size,
            shortfall_bytes: clash.shortfall,
            lowest: clash.lowest.as_ref().map(|lowest| context.allocation(lowest)),
            in_the_way_regions: clash.in_the_way.allocations,
            in_the_way_bytes: clash.in_the_way.bytes,
            parts: context.allocations(&clash.parts),
            reliefs: clash.reliefs.iter().map(relief).collect(),
        }
    }
}
