//! When the allocator refused, or a program found no room: what was asked for, what was left, and who held most.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use ttmem_wire::{CoreRange, Event, Memory, Space, flags};

use crate::{
    Amount, Bank, FreeList, LiveRegion, MAX_LISTED, OutOfMemory, State,
    free_list::taken,
    places::Places,
    program_memory::ProgramMemory,
    totals::{Sums, is_count},
};

/// The largest holders that are kept of each.
const HOLDERS: usize = 16;
/// And the call sites that hold most.
const SITES: usize = 32;
/// Parts of a refused program that are kept, and buffers that would give way to it.
const PARTS: usize = 16;
const RELIEFS: usize = 8;
/// Regions that are looked at for them in all: a program that asks until it is refused, day and night, must not slow the
/// ledger down.
const MAX_LOOKS: usize = 50_000_000;

/// What the regions of one call site held when memory ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteHolding {
    /// The interned call site, 0 for none.
    pub site: u32,
    /// Whether the program cache holds them: they go when it is cleared.
    pub cached: bool,
    /// How many, and their bytes.
    pub held: Amount,
    /// When the oldest of them came to life, in ticks.
    pub oldest_ticks: u64,
    /// The same of the youngest.
    pub youngest_ticks: u64,
    /// The most holders that any of them has.
    pub most_holders: u32,
}

/// Circular buffers of a program met the buffers in L1, or its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clash {
    /// The program's number, 0 if not known.
    pub program: u64,
    /// Whether it was its dataflow buffers.
    pub is_dataflow: bool,
    /// Where its buffers end on a core, in bytes from the beginning of L1.
    pub region_end: Option<u64>,
    /// On which cores.
    pub cores: Option<CoreRange>,
    /// Whether they are too large for L1 itself, whatever else lies there.
    pub is_beyond_l1: bool,
    /// Where the lowest buffer in L1 lies; where they are too large, the size of L1.
    pub limit: Option<u64>,
    /// That buffer.
    pub lowest: Option<LiveRegion>,
    /// All buffers in L1 that begin below `region_end`.
    pub in_the_way: Amount,
    /// What the program itself has placed, largest first; the first 16.
    pub parts: Vec<LiveRegion>,
    /// The lowest buffers, and what each of them gives; as many as are needed, eight at most.
    pub reliefs: Vec<Relief>,
}

/// A buffer that ends the space of programs, and what it would give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relief {
    /// The buffer.
    pub buffer: LiveRegion,
    /// Bytes that a program gains on each core once this buffer, and those below it, are gone from L1.
    pub gained: u64,
}

impl Clash {
    /// Bytes that were missing, on a core.
    pub fn shortfall(&self) -> Option<u64> {
        Some(self.region_end?.saturating_sub(self.limit?))
    }
}

impl Clash {
    /// The lowest buffers of the device, up to where the program would find space.
    fn find_reliefs(&mut self, places: &Places, bank: Bank, device: i32) {
        let Some(limit) = self.limit.filter(|_| !self.is_beyond_l1) else { return };
        let mut buffers = live(places, device, Memory::L1);
        buffers.retain(|buffer| buffer.address >= limit && !buffer.preallocated);
        buffers.sort_unstable_by_key(|buffer| buffer.address);
        for (at, &buffer) in buffers.iter().enumerate().take(RELIEFS) {
            let next = buffers.get(at + 1).map_or(bank.end(), |next| next.address);
            self.reliefs.push(Relief { buffer, gained: next.saturating_sub(limit) });
            if self.region_end.is_none_or(|end| next >= end) {
                break;
            }
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Refusals {
    list: Vec<OutOfMemory>,
    times: u64,
    clashes: u64,
    looks: usize,
}

impl Refusals {
    pub(crate) fn note(
        &mut self,
        event: &Event,
        memory: Memory,
        devices: Vec<i32>,
        (places, sums, programs): (&Places, &Sums, &ProgramMemory),
        bank: impl Fn(i32, Memory) -> Option<Bank>,
    ) {
        self.times += 1;
        self.clashes += u64::from(memory == Memory::CircularBuffer);
        if self.list.len() >= MAX_LISTED {
            return;
        }
        let first = devices.first().copied();
        let is_other = event.flags & flags::OTHER_REASON != 0;
        // Circular buffers lie in L1, and what keeps them from it does too.
        let asked_of = if memory == Memory::CircularBuffer { Memory::L1 } else { memory };
        let totals = first.and_then(|device| sums.known(device, asked_of)).map(|totals| totals.shown());
        let regions = totals.map_or(0, |totals| totals.live_buffers as usize);
        let mut clash = (memory == Memory::CircularBuffer).then(|| clash(event, first, programs));
        let (mut most, mut ways_out, mut space) = (Most::default(), Vec::new(), event.space);
        if let Some(device) = first.filter(|_| !is_other && self.looks + regions <= MAX_LOOKS) {
            self.looks += regions;
            most = Most::of(places, device, asked_of, &mut clash);
            let bank = bank(device, asked_of);
            if let (Some(clash), Some(bank)) = (&mut clash, bank) {
                clash.find_reliefs(places, bank, device);
                space = space.or_else(|| {
                    let list = free_list(bank, &live(places, device, asked_of))?;
                    Some(Space { free: list.free(), largest_block: list.largest_block() })
                });
            } else if let (Some(bank), Some(wanted)) = (bank, event.size_per_bank) {
                let live = live(places, device, memory);
                ways_out = free_list(bank, &live).map(|list| list.ways_out(&live, wanted)).unwrap_or_default();
            }
        }
        let size = match (&clash, first) {
            (Some(clash), Some(device)) => size_of_placed(clash, device, programs),
            _ => event.size,
        };
        self.list.push(OutOfMemory {
            memory,
            size,
            size_per_bank: event.size_per_bank,
            space,
            ticks: event.ticks,
            thread: event.thread,
            site: event.site,
            live_bytes: totals.map_or(0, |totals| totals.live_bytes),
            live_bytes_per_bank: totals.and_then(|totals| totals.live_bytes_per_bank),
            devices,
            holders: most.regions,
            sites: most.sites,
            clash,
            ways_out,
            other_reason: is_other.then(String::new),
        });
    }

    /// The words of the refusal that this thread met last.
    pub(crate) fn explain(&mut self, thread: u32, reason: &str) {
        let last = self.list.iter_mut().rev().find(|refusal| refusal.thread == thread);
        if let Some(known) = last.and_then(|refusal| refusal.other_reason.as_mut()).filter(|known| known.is_empty()) {
            reason.clone_into(known);
        }
    }

    /// Whether what was read from a file is what events can give.
    pub(crate) fn are_sound(&self) -> bool {
        self.list.len() <= MAX_LISTED && is_count(self.times) && self.clashes <= self.times && self.looks <= MAX_LOOKS
    }

    pub(crate) fn list(&self) -> &[OutOfMemory] {
        &self.list
    }

    /// How often memory was refused; and of these, how often to a program's circular buffers.
    pub(crate) fn times(&self) -> (u64, u64) {
        (self.times, self.clashes)
    }
}

/// What lies in the banks of the allocators.
fn live(places: &Places, device: i32, memory: Memory) -> Vec<LiveRegion> {
    places.regions_in_banks(device, memory).map(|(key, region)| region.shown(key, State::Live)).collect()
}

fn free_list(bank: Bank, live: &[LiveRegion]) -> Option<FreeList> {
    Some(FreeList::new(bank, live.iter().map(taken).collect::<Option<_>>()?))
}

/// What a program has placed on a device, largest first.
fn parts(device: i32, program: u64, programs: &ProgramMemory) -> Vec<LiveRegion> {
    let placed = programs.on(device).flat_map(|(memory, placed)| {
        let own = placed.entries_by_program().filter(|(of, _)| *of == program && program != 0);
        own.map(move |(_, buffer)| buffer.shown(device, memory, State::Live))
    });
    let mut parts: Vec<LiveRegion> = placed.filter(|part| !part.globally_allocated).collect();
    parts.sort_by_key(|part| (Reverse(part.size), part.address));
    parts.truncate(PARTS);
    parts
}

/// What the event says, and where it does not say it, what the program's circular buffers do.
fn clash(event: &Event, device: Option<i32>, programs: &ProgramMemory) -> Clash {
    let is_beyond_l1 = event.flags & flags::BEYOND_L1 != 0;
    let mut clash = Clash {
        program: event.holder,
        is_dataflow: event.flags & flags::DATAFLOW_BUFFERS != 0,
        region_end: (event.size != 0).then_some(event.size),
        cores: event.cores,
        is_beyond_l1,
        limit: (event.size != 0).then_some(event.address),
        lowest: None,
        in_the_way: Amount::default(),
        parts: device.map(|device| parts(device, event.holder, programs)).unwrap_or_default(),
        reliefs: Vec::new(),
    };
    if clash.region_end.is_none()
        && let Some((end, cores)) = device.and_then(|device| programs.end_of(device, event.holder))
    {
        (clash.region_end, clash.cores) = (Some(end), cores);
    }
    clash
}

/// From where programs place their buffers, as far as any was seen, to where this one's end.
fn size_of_placed(clash: &Clash, device: i32, programs: &ProgramMemory) -> u64 {
    let base = programs.base(device, clash.program);
    clash.region_end.zip(base).map_or(0, |(end, base)| end.saturating_sub(base))
}

/// Who holds most of a memory.
#[derive(Default)]
struct Most {
    regions: Vec<LiveRegion>,
    sites: Vec<SiteHolding>,
}

impl Most {
    fn of(places: &Places, device: i32, memory: Memory, clash: &mut Option<Clash>) -> Self {
        let mut heap = BinaryHeap::with_capacity(HOLDERS + 1);
        let mut sites: HashMap<(u32, bool), SiteHolding, RandomState> = HashMap::default();
        let mut lowest: Option<(bool, u64, u32)> = None;
        for (key, region) in places.regions_in_banks(device, memory) {
            let bytes = region.extent().bytes;
            if let Some(clash) = clash.as_mut().filter(|clash| !clash.is_beyond_l1) {
                // The one that the refusal named, if it is known.
                let order = (Some(key.address) != clash.limit, key.address, key.allocator);
                lowest = Some(lowest.map_or(order, |known| known.min(order)));
                if clash.region_end.is_some_and(|end| key.address < end) {
                    clash.in_the_way.add(bytes);
                } else if clash.region_end.is_some() {
                    // It could go, and nothing would be won.
                    continue;
                }
            }
            let holding = sites.entry((region.site(), region.is_cached())).or_insert(SiteHolding {
                site: region.site(),
                cached: region.is_cached(),
                held: Amount::default(),
                oldest_ticks: region.ticks,
                youngest_ticks: region.ticks,
                most_holders: 0,
            });
            holding.held.add(bytes);
            holding.oldest_ticks = holding.oldest_ticks.min(region.ticks);
            holding.youngest_ticks = holding.youngest_ticks.max(region.ticks);
            holding.most_holders = holding.most_holders.max(region.holders());
            heap.push(Reverse((bytes, Reverse((key.address, key.allocator)))));
            if heap.len() > HOLDERS {
                heap.pop();
            }
        }
        let shown = |address, allocator| places.shown(device, memory, address, allocator, State::Live);
        if let (Some(clash), Some((_, address, allocator))) = (clash, lowest) {
            clash.lowest = shown(address, allocator);
            clash.limit = clash.limit.or(Some(address));
        }
        let chosen = heap.into_sorted_vec();
        let regions = chosen
            .into_iter()
            .filter_map(|Reverse((_, Reverse((address, allocator))))| shown(address, allocator))
            .collect();
        let mut sites: Vec<SiteHolding> = sites.into_values().collect();
        sites.sort_unstable_by_key(|holding| (Reverse(holding.held.bytes), holding.site, holding.cached));
        sites.truncate(SITES);
        Self { regions, sites }
    }
}
