//! Regions of the program: what each saw, device by device. The ledger calls them spans, see [`ttmem_ledger::Spans`].

use std::collections::BTreeMap;

use ttmem_ledger::{Amount, Span, WindowSums};
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
        let (mut left, mut left_cached, mut left_apart) = Default::default();
        for (_, _, sums) in &span.window.sums {
            add(&mut left, sums.left_behind);
            add(&mut left_cached, sums.left_cached);
            add(&mut left_apart, sums.left_apart);
        }
        Self {
            number: span.number,
            id: span.id.clone(),
            name: span.name.clone(),
            parent: span.parent,
            depth: span.depth,
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

    /// Adds up what is covered, once [`Allocation::suppressed_by`] is noted.
    pub(super) fn add_up_suppressed(&mut self) {
        self.left_suppressed.clear();
        for one in self.left_allocations.iter().filter(|one| one.suppressed_by.is_some()) {
            self.left_suppressed.entry((one.device, one.memory)).or_default().add(1, one.size);
        }
    }
}

fn add(held: &mut Held, amount: Amount) {
    held.add(amount.allocations, u64::try_from(amount.bytes).unwrap_or(u64::MAX));
}

/// All of a process, in the order in which they began.
pub(super) fn regions(account: &Account, clock: &ClockMap, sites: &CallSites<'_>) -> Vec<Region> {
    let spans = account.spans();
    let mut regions: Vec<Region> = spans.closed().map(|span| Region::new(span, clock, sites)).collect();
    regions.extend(spans.open(account.ledger()).map(|span| Region::new(&span, clock, sites)));
    regions.sort_by_key(|region| region.number);
    regions
}
