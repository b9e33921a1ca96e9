//! Regions of the program: what each saw, device by device. The ledger calls them spans, see [`ttmem_ledger::Spans`].

use std::collections::{BTreeMap, HashMap};

use ttmem_ledger::{Span, WindowSums};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{Allocation, allocation::Held, process::allocations, sites::CallSites};
use crate::Account;

/// One region of the program.
#[derive(Clone, Debug)]
pub struct Region {
    /// Counts the regions of the process in the order in which they began, from 1.
    pub number: u64,
    /// What the program calls it among those that are open.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The number of the region around it, of the same thread.
    pub parent: Option<u64>,
    /// How many are around it.
    pub depth: u32,
    /// Whether a region of the same name is around it: what happened in it, happened in that one too.
    pub is_recursive: bool,
    /// The thread that began it.
    pub thread: u32,
    /// Whether what was made in it counts for no region around it.
    pub is_apart: bool,
    /// `CLOCK_REALTIME`, ns since 1970.
    pub begin_ns: u64,
    /// `None` while it is open: the sums are those so far.
    pub end_ns: Option<u64>,
    /// The sums by device and memory; where nothing was and nothing happened is left out.
    pub sums: Vec<(i32, Memory, WindowSums)>,
    /// What was made in it and lived at its end, over all devices and memories.
    pub left: Held,
    /// The same of what the program cache holds.
    pub left_cached: Held,
    /// The same of what was made in an inner region that is kept apart.
    pub left_apart: Held,
    /// What suppressions cover of `left`, by device and memory, as far as it is listed.
    pub left_suppressed: BTreeMap<(i32, Memory), Held>,
    /// The allocations of `left`, largest first: all of a region that is open, else 256 at most.
    pub left_allocations: Vec<Allocation>,
}

impl Region {
    pub(crate) fn new(span: &Span, clock: &ClockMap, sites: &CallSites<'_>) -> Self {
        let (mut left, mut left_cached, mut left_apart): (Held, Held, Held) = Default::default();
        for (_, _, sums) in &span.window.sums {
            left += sums.left_behind.into();
            left_cached += sums.left_cached.into();
            left_apart += sums.left_apart.into();
        }
        Self {
            number: span.number,
            id: span.id.clone(),
            name: span.name.clone(),
            parent: span.parent,
            depth: span.depth,
            is_recursive: false,
            thread: span.thread,
            is_apart: span.is_apart,
            begin_ns: clock.realtime_ns(span.begin_ticks),
            end_ns: span.end_ticks.map(|ticks| clock.realtime_ns(ticks)),
            sums: span.window.sums.clone(),
            left,
            left_cached,
            left_apart,
            left_allocations: allocations(&span.window.left_behind, clock, sites),
            left_suppressed: BTreeMap::new(),
        }
    }

    /// What it left and no rule covers.
    pub fn left_over(&self) -> Held {
        self.left_suppressed.values().fold(self.left, |left, &covered| left - covered)
    }

    /// The same on one device and in one memory.
    pub fn left_over_of(&self, device: i32, memory: Memory, sums: &WindowSums) -> Held {
        Held::from(sums.left_behind) - self.left_suppressed.get(&(device, memory)).copied().unwrap_or_default()
    }

    /// Adds up what is covered, once [`Allocation::suppressed_by`] is noted.
    pub(super) fn add_up_suppressed(&mut self) {
        self.left_suppressed.clear();
        for one in self.left_allocations.iter().filter(|one| one.suppressed_by.is_some()) {
            self.left_suppressed.entry((one.device, one.memory)).or_default().add(1, one.size);
        }
    }
}

/// All of a process, in the order in which they began.
pub(super) fn regions(account: &Account, clock: &ClockMap, sites: &CallSites<'_>) -> Vec<Region> {
    let spans = account.spans();
    let mut regions: Vec<Region> = spans.closed().map(|span| Region::new(span, clock, sites)).collect();
    regions.extend(spans.open(account.ledger()).map(|span| Region::new(&span, clock, sites)));
    regions.sort_by_key(|region| region.number);
    note_recursion(&mut regions);
    regions
}

/// Notes which regions have one of their own name around them.
pub(crate) fn note_recursion(regions: &mut [Region]) {
    let places: HashMap<u64, usize> = regions.iter().enumerate().map(|(at, region)| (region.number, at)).collect();
    for at in 0..regions.len() {
        let parent = |region: &Region| region.parent.and_then(|number| places.get(&number)).map(|&at| &regions[at]);
        let mut around = std::iter::successors(parent(&regions[at]), |region| parent(region));
        regions[at].is_recursive = around.any(|region| region.name == regions[at].name);
    }
}

/// All regions of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionsOfName<'a> {
    /// The name.
    pub name: &'a str,
    /// How many.
    pub times: u64,
    /// Of the memory of a device that had most added: which, the most that was live there, and what of it was added.
    pub peak: Option<(Memory, u64, u64)>,
    /// What they added for good, over all devices and memories, and what they left and no rule covers. One that has another of
    /// its name around it is counted there.
    pub growth: i128,
    /// See `growth`.
    pub left: Held,
}

/// Regions added up by name, in the order of the first of each.
pub fn regions_by_name(regions: &[Region]) -> Vec<RegionsOfName<'_>> {
    let mut rows: Vec<RegionsOfName<'_>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for region in regions {
        let at = *places.entry(&region.name).or_insert(rows.len());
        if at == rows.len() {
            rows.push(RegionsOfName { name: &region.name, times: 0, peak: None, growth: 0, left: Held::default() });
        }
        let row = &mut rows[at];
        row.times += 1;
        for (_, memory, sums) in &region.sums {
            if row.peak.is_none_or(|(.., own)| sums.own_peak_bytes > own) {
                row.peak = Some((*memory, sums.peak_bytes, sums.own_peak_bytes));
            }
        }
        if !region.is_recursive {
            row.growth += region.sums.iter().map(|(.., sums)| i128::from(sums.own_growth_bytes)).sum::<i128>();
            row.left += region.left_over();
        }
    }
    rows
}
