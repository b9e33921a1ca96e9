//! When memory was refused: who asked for what, why there was none, and who held most.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use ttmem_ledger::{Clash, OutOfMemory, SiteHolding};
use ttmem_ring::ClockMap;
use ttmem_wire::{CoreRange, Memory, Space};

use super::{Allocation, WayOut, allocation::Held, process::allocations, sites::CallSites};
use crate::sites::CallSite;

/// A refusal: of the allocator, or of a program whose circular buffers did not fit.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The devices of the allocator.
    pub devices: Vec<i32>,
    /// Where memory was asked for.
    pub memory: Memory,
    /// Bytes asked for, on each device; of circular buffers on a core.
    pub size: u64,
    /// Bytes asked for in each bank.
    pub size_per_bank: Option<u64>,
    /// When: `CLOCK_REALTIME`, ns since 1970.
    pub at_ns: u64,
    /// Live then in that memory, on the first device.
    pub live_bytes: u64,
    /// The same in each bank.
    pub live_bytes_per_bank: Option<u64>,
    /// What the allocator had free.
    pub space: Option<Space>,
    /// What a bank had too little of.
    pub missing_per_bank: Option<u64>,
    /// Whether enough was free, but in no single block.
    pub is_fragmented: Option<bool>,
    /// The thread that asked.
    pub thread: u32,
    /// Who asked.
    pub site: Arc<CallSite>,
    /// The largest allocations in that memory then, on the first device.
    pub largest: Vec<Allocation>,
    /// What each call site held there, most first.
    pub by_site: Vec<Holding>,
    /// What each op held there, most first.
    pub by_op: Vec<Holding>,
    /// Of circular buffers that did not fit: what was in whose way.
    pub clash: Option<Collision>,
    /// What would have to go for a block that is large enough, cheapest first.
    pub ways_out: Vec<WayOut>,
    /// What the allocator said where memory had not run out; empty where its words are not known.
    pub other_reason: Option<String>,
}

/// What one call site, or one op, held.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The call site; of an op alone, without frames.
    pub site: Arc<CallSite>,
    /// How much.
    pub held: Held,
    /// Held by the program cache.
    pub cached: bool,
    /// When the oldest was made, ns since 1970.
    pub oldest_ns: u64,
    /// When the youngest was made.
    pub youngest_ns: u64,
    /// The most owners that any of them has.
    pub most_owners: u32,
}

/// Circular buffers of a program met the buffers in L1, or its end.
#[derive(Clone, Debug)]
pub struct Collision {
    /// The program's number, 0 if not known.
    pub program: u64,
    /// Whether the program has dataflow buffers.
    pub is_dataflow: bool,
    /// On which cores.
    pub cores: Option<CoreRange>,
    /// Where the program's buffers end there.
    pub region_end: Option<u64>,
    /// Where the lowest buffer in L1 lies; `None` where the program's are too large for L1.
    pub lowest_address: Option<u64>,
    /// The size of L1, where they are.
    pub l1_size: Option<u64>,
    /// What each core had too little of.
    pub shortfall: Option<u64>,
    /// The lowest buffer.
    pub lowest: Option<Allocation>,
    /// Buffers in L1 that begin below `region_end`.
    pub in_the_way: Held,
    /// What the program itself has placed, largest first; the first 16.
    pub parts: Vec<Allocation>,
    /// The lowest buffers, and what each of them gives; as many as are needed, eight at most.
    pub reliefs: Vec<Relief>,
}

/// A buffer that ends the space of programs, and what it would give.
#[derive(Clone, Debug)]
pub struct Relief {
    /// The buffer.
    pub buffer: Allocation,
    /// Bytes that a program gains on each core once this buffer, and those below it, are gone from L1.
    pub gained: u64,
}

/// All refusals of a process.
pub(super) fn refusals(refused: &[OutOfMemory], clock: &ClockMap, sites: &CallSites<'_>) -> Vec<Refusal> {
    refused.iter().map(|refused| Refusal::new(refused, clock, sites)).collect()
}

impl Refusal {
    pub(crate) fn new(refused: &OutOfMemory, clock: &ClockMap, sites: &CallSites<'_>) -> Self {
        let is_fragmented = refused.is_fragmented();
        let missing = refused.size_per_bank.zip(refused.space).map(|(wanted, space)| {
            wanted.saturating_sub(if is_fragmented == Some(true) { space.largest_block } else { space.free })
        });
        let (by_site, by_op) = holdings(&refused.sites, clock, sites);
        Self {
            devices: refused.devices.clone(),
            memory: refused.memory,
            size: refused.size,
            size_per_bank: refused.size_per_bank,
            at_ns: clock.realtime_ns(refused.ticks),
            live_bytes: refused.live_bytes,
            live_bytes_per_bank: refused.live_bytes_per_bank,
            space: refused.space,
            missing_per_bank: missing.or(refused.clash.as_ref().and_then(Clash::shortfall)),
            is_fragmented,
            thread: refused.thread,
            site: sites.of(refused.site),
            largest: allocations(&refused.holders, clock, sites),
            by_site,
            by_op,
            clash: refused.clash.as_ref().map(|clash| Collision::new(clash, clock, sites)),
            ways_out: refused.ways_out.iter().map(|way| WayOut::new(way, clock, sites)).collect(),
            other_reason: refused.other_reason.clone(),
        }
    }
}

impl Collision {
    fn new(clash: &Clash, clock: &ClockMap, sites: &CallSites<'_>) -> Self {
        let relief = |one: &ttmem_ledger::Relief| Relief {
            buffer: Allocation::new(&one.buffer, clock, sites),
            gained: one.gained,
        };
        let limit = |is_meant: bool| clash.limit.filter(|_| is_meant);
        Self {
            program: clash.program,
            is_dataflow: clash.is_dataflow,
            cores: clash.cores,
            region_end: clash.region_end,
            lowest_address: limit(!clash.is_beyond_l1),
            l1_size: limit(clash.is_beyond_l1),
            shortfall: clash.shortfall(),
            lowest: clash.lowest.as_ref().map(|lowest| Allocation::new(lowest, clock, sites)),
            in_the_way: clash.in_the_way.into(),
            parts: allocations(&clash.parts, clock, sites),
            reliefs: clash.reliefs.iter().map(relief).collect(),
        }
    }
}

/// By call site, and by op.
fn holdings(all: &[SiteHolding], clock: &ClockMap, sites: &CallSites<'_>) -> (Vec<Holding>, Vec<Holding>) {
    let each = all.iter().map(|one| Holding {
        site: sites.of(one.site),
        held: one.held.into(),
        cached: one.cached,
        oldest_ns: clock.realtime_ns(one.oldest_ticks),
        youngest_ns: clock.realtime_ns(one.youngest_ticks),
        most_owners: one.most_holders,
    });
    let by_site: Vec<Holding> = each.collect();
    let by_op = by_site.iter().map(|holding| {
        let site = Arc::new(CallSite { op: holding.site.op.clone(), ..CallSite::default() });
        Holding { site, ..holding.clone() }
    });
    let by_op = together(by_op.collect());
    (together(by_site), by_op)
}

fn together(holdings: Vec<Holding>) -> Vec<Holding> {
    let mut all: Vec<Holding> = Vec::new();
    let mut index: HashMap<(Arc<CallSite>, bool), usize> = HashMap::new();
    for holding in holdings {
        let at = *index.entry((holding.site.clone(), holding.cached)).or_insert(all.len());
        match all.get_mut(at) {
            Some(other) => {
                other.held.add(holding.held.allocations, holding.held.bytes);
                other.oldest_ns = other.oldest_ns.min(holding.oldest_ns);
                other.youngest_ns = other.youngest_ns.max(holding.youngest_ns);
                other.most_owners = other.most_owners.max(holding.most_owners);
            }
            None => all.push(holding),
        }
    }
    all.sort_by_key(|holding| Reverse(holding.held.bytes));
    all
}
