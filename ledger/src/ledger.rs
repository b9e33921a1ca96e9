//! The ledger: one process's events, applied in order.

mod answers;
mod closing;
mod placing;
mod watching;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ttmem_wire::{ANY_DEVICE, Event, EventKind, Memory, OnCore, Pool, Target, flags};

use crate::{
    Anomalies, Change, Life, LiveRegion, Released, State,
    by_holder::ByHolder,
    closed::Closed,
    growth::{Growth, Seen},
    peak::MadeBy,
    place::Reported,
    places::{Places, Wanted},
    pressure::Bank,
    program_memory::{ProgramBuffer, ProgramMemory},
    recent::Recent,
    refusals::Refusals,
    region::{Key, Region},
    statistics::Statistics,
    totals::{Sums, is_count},
    windows::Windows,
};

/// How many regions released at close, and how many out-of-memory events, are kept one by one. All are counted.
pub const MAX_LISTED: usize = 10_000;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited.
    Exited,
    /// It was killed, or nobody knows.
    Killed,
}

/// What a process did with device memory. See the crate's documentation.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    places: Places,
    sums: Sums,
    programs: ProgramMemory,
    /// What allocators were made with, by device and memory.
    banks: BTreeMap<(i32, Memory), Bank>,
    /// Made when the first free comes that names no address: most programs name it and should not pay for this.
    #[serde(skip)]
    by_holder: Option<ByHolder>,
    closed: Closed,
    recent: Recent,
    released: Released,
    anomalies: Anomalies,
    refusals: Refusals,
    growth: Growth,
    windows: Windows,
    /// Allocations on a device when it was closed last: a second close of the same is no second iteration.
    allocations_at_close: BTreeMap<i32, u64>,
    #[serde(skip)]
    end: Option<End>,
    /// What the events since the last look did; only where somebody asked for it.
    #[serde(skip)]
    changes: Option<Vec<Change>>,
    /// The same.
    #[serde(skip)]
    statistics: Option<Box<Statistics>>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Brings what events at these addresses will look at into the processor's cache, all of it at once; one by one, each
    /// event would wait for memory. Changes nothing.
    pub fn look_ahead(&self, addresses: impl Iterator<Item = u64>) {
        self.places.look_ahead(addresses);
    }

    /// Applies one event. `pool` is the entry of the ring's pool table that a [`Target::Pool`] means, if it is known.
    pub fn apply(&mut self, event: &Event, pool: Option<&Pool>) {
        match event.target {
            Target::Device(ANY_DEVICE) if event.kind == EventKind::Free => self.free(event, None, None),
            Target::Device(ANY_DEVICE) if event.kind == EventKind::CbFreeAll => {
                self.free_placed_everywhere(event);
            }
            Target::Device(device) => self.apply_on(event, device, 0),
            Target::Pool(_) => {
                let Some(pool) = pool else {
                    self.anomalies.unknown_pools += 1;
                    return;
                };
                if event.kind == EventKind::OutOfMemory {
                    self.refuse(event, pool.chips.clone());
                    return;
                }
                // Programs are alike on all chips, and are gone through once.
                match event.kind {
                    EventKind::CbAllocate => return self.place(event, &pool.chips),
                    EventKind::CbFreeAll => return self.free_placed(&pool.chips, event),
                    _ => {}
                }
                for &chip in &pool.chips {
                    self.apply_on(event, chip, pool.allocator);
                }
            }
        }
    }

    fn apply_on(&mut self, event: &Event, device: i32, allocator: u32) {
        let is_buffer = matches!(event.kind, EventKind::Allocate | EventKind::Free);
        let core = OnCore::from_code(event.extra).filter(|_| is_buffer);
        // Each core has addresses of its own, whichever allocator hands them out.
        let allocator = core.map_or(allocator, OnCore::code);
        match event.kind {
            EventKind::Allocate => self.allocate(event, device, allocator),
            EventKind::Free => self.free(event, Some(device), Some(allocator)),
            EventKind::CbAllocate => self.place(event, &[device]),
            EventKind::CbFreeAll => self.free_placed(&[device], event),
            EventKind::DeviceClosed => self.close(device),
            EventKind::PoolReleased => self.release(device, Some(allocator)),
            EventKind::OutOfMemory => self.refuse(event, vec![device]),
            EventKind::Capacity => self.note_bank(event, device),
            EventKind::Tensor => self.describe(event, device),
            EventKind::Mark | EventKind::MarkMore => {}
        }
    }

    fn allocate(&mut self, event: &Event, device: i32, allocator: u32) {
        // Program memory has events of its own.
        let Some(memory) = event.memory.filter(|memory| !memory.is_of_programs()) else {
            self.anomalies.without_memory += 1;
            return;
        };
        let mut key = Key { address: event.address, device, memory, allocator };
        if event.flags & flags::PREALLOCATED != 0 && key.core().is_none() {
            // A buffer over memory that was there before is one more holder of it, whoever's allocator made it.
            let over = Wanted { allocator: None, ..wanted(event, Some(device), None) };
            key = self.places.best(&over).unwrap_or(key);
        }
        let (place, at) = self.places.place(&key, &mut self.sums);
        let totals = &mut self.sums[at];
        let reported = place.report(event, totals);
        let is_due = totals.peak.is_due();
        if let Some(changes) = &mut self.changes {
            match reported {
                Reported::New => changes.push(Change::Born(life(key, &Region::new(event), State::Live))),
                Reported::OneMoreHolder(before) | Reported::HeldAlready(before) => {
                    let wider = place.region(key.address).filter(|region| region.extent().bytes != before);
                    changes
                        .extend(wider.map(|region| Change::Widened { life: life(key, region, State::Live), before }));
                }
            }
        }
        match reported {
            Reported::New => {
                self.closed.reused(key);
                let is_cached = event.flags & flags::FOR_PROGRAM != 0;
                self.growth.born(key.memory, event.site, event.size, is_cached, event.ticks);
                if let Some(statistics) = &mut self.statistics {
                    statistics.born(key.memory, &Region::new(event));
                }
                if self.windows.any_is_open() {
                    self.windows.note(key, &self.places);
                }
            }
            Reported::OneMoreHolder(_) => {}
            Reported::HeldAlready(_) => self.anomalies.duplicate_holders += 1,
        }
        if is_due {
            self.settle_peak(key.device, key.memory, at);
        }
        if let Some(by_holder) = &mut self.by_holder {
            by_holder.insert(event.holder, key);
        }
        if self.growth.is_due(|| self.sums.live()) {
            self.slice();
        }
    }

    /// A tensor over a buffer of whichever allocator: the one that its holder holds.
    fn describe(&mut self, event: &Event, device: i32) {
        let wanted = wanted(event, Some(device), None);
        if let Some(key) = self.places.best(&wanted)
            && let Some((place, _)) = self.places.known(&key)
        {
            place.describe(key.address, event.holder, event.site);
        }
    }

    fn free(&mut self, event: &Event, device: Option<i32>, allocator: Option<u32>) {
        // Only a free that names its memory comes from somebody who knows the allocator too, and a view does not.
        let is_on_core = allocator.and_then(OnCore::from_code).is_some();
        let exact = event.memory.is_some() && (is_on_core || event.flags & flags::PREALLOCATED == 0);
        let wanted = wanted(event, device, allocator.filter(|_| exact));
        if event.flags & flags::ADDRESS_UNKNOWN != 0 {
            self.free_by_holder(&wanted);
            return;
        }
        let key = self.places.best_or_only(&wanted);
        if key.is_some_and(|key| self.let_go(key, wanted.id)) {
            return;
        }
        if self.closed.expects(&wanted) {
            self.anomalies.late_frees += 1;
        } else {
            self.anomalies.unmatched_frees += 1;
            self.anomalies.double_frees += u64::from(self.recent.has(&wanted));
        }
    }

    fn let_go(&mut self, key: Key, id: u64) -> bool {
        let Some((place, at)) = self.places.known(&key) else { return false };
        let totals = &mut self.sums[at];
        let Some((who, gone)) = place.free(key.address, id, totals) else { return false };
        let is_due = totals.peak.is_due();
        if let (Some(changes), Some(region)) = (&mut self.changes, gone) {
            changes.push(Change::Gone(life(key, &region, State::Live)));
        }
        if let (Some(statistics), Some(region)) = (&mut self.statistics, gone) {
            statistics.freed(key.memory, &region);
        }
        if let Some(by_holder) = &mut self.by_holder {
            by_holder.remove(who, key);
        }
        if is_due {
            self.settle_peak(key.device, key.memory, at);
        }
        self.recent.note(key, who);
        if gone.is_some() {
            self.growth.freed();
        }
        true
    }

    /// Walks over what is live in a memory for the composition of its peak, if that has been paid for.
    #[cold]
    fn settle_peak(&mut self, device: i32, memory: Memory, at: usize) {
        let peak = &mut self.sums[at].peak;
        if peak.can_afford(self.places.walk_in(device, memory)) {
            peak.settle(made(self.places.regions_in(device, memory)));
        }
    }

    /// A free that names the holder alone: it lets go of all that it holds there, which for a buffer on a mesh is a region
    /// on each chip.
    fn free_by_holder(&mut self, wanted: &Wanted) {
        let by_holder = self.by_holder.get_or_insert_with(|| self.places.by_holder());
        let held: Vec<Key> = by_holder.held(wanted.id, &wanted.devices).collect();
        for &key in &held {
            self.let_go(key, wanted.id);
        }
        let late = if held.is_empty() { self.closed.expects_by_id(wanted) } else { 0 };
        self.anomalies.late_frees += late;
        if held.is_empty() && late == 0 {
            self.anomalies.unmatched_frees += 1;
            self.anomalies.double_frees += u64::from(self.recent.has_id(wanted));
        }
    }

    fn note_bank(&mut self, event: &Event, device: i32) {
        if let Some(memory) = event.memory {
            self.banks.insert((device, memory), Bank::of(event));
        }
    }

    /// A look at growth by time.
    #[cold]
    fn slice(&mut self) {
        self.growth.slice(self.places.regions().map(|(key, region)| seen(&key, region)), self.released.count);
    }

    fn refuse(&mut self, event: &Event, devices: Vec<i32>) {
        let Some(memory) = event.memory else {
            self.anomalies.without_memory += 1;
            return;
        };
        let banks = &self.banks;
        let bank = |device, memory| banks.get(&(device, memory)).copied();
        self.refusals.note(event, memory, devices, (&self.places, &self.sums, &self.programs), bank);
    }

    /// Why the allocator refused this thread last.
    pub(crate) fn explain_refusal(&mut self, thread: u32, reason: &str) {
        self.refusals.explain(thread, reason);
    }

    /// The program passed a mark: what is live now is compared with the marks of the same name, see [`Ledger::growth`].
    pub fn mark(&mut self, name: &str) {
        if let Some(statistics) = &mut self.statistics {
            statistics.mark();
        }
        let live = self.places.regions().map(|(key, region)| seen(&key, region));
        self.growth.mark(name, live, self.released.count);
    }

    /// The process ended: what is live stays listed as live at exit, or as orphaned.
    pub fn end(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// After reading from a file: makes what follows from the rest, and says whether it all is what events can give.
    pub(crate) fn complete(&mut self) -> bool {
        self.programs.complete();
        // Before they are completed, which indexes by what was read.
        if !self.places.are_sound(&self.sums) {
            return false;
        }
        self.places.complete();
        let Anomalies { unmatched_frees, double_frees, duplicate_holders, unknown_pools, without_memory, late_frees } =
            self.anomalies;
        let Released { regions, count, bytes, cached } = &self.released;
        let counts = [
            unmatched_frees,
            double_frees,
            duplicate_holders,
            unknown_pools,
            without_memory,
            late_frees,
            *count,
            *cached,
        ];
        counts.into_iter().all(is_count)
            && *bytes < 1 << 126
            && regions.len() <= MAX_LISTED
            && self.sums.are_sound(self.places.extents_with_sums())
            && self.closed.is_sound()
            && self.recent.is_sound()
            && self.refusals.are_sound()
            && self.growth.is_sound()
            && self.windows.are_sound(&self.sums)
            && self.banks.values().all(Bank::is_sound)
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    pub(crate) fn programs(&self) -> &ProgramMemory {
        &self.programs
    }

    /// The call sites and tensors of all that it lists, some more than once.
    pub(crate) fn named_sites(&self) -> impl Iterator<Item = u32> {
        let refused = self.refusals.list().iter();
        let refused = refused.flat_map(|refusal| refusal.sites());
        let placed = self.programs.devices().flat_map(|(_, _, on_device)| on_device.entries().map(ProgramBuffer::site));
        let live = self.places.regions().flat_map(|(_, region)| [region.site(), region.tensor()]);
        let peaks = self.sums.iter().flat_map(|(_, _, totals)| totals.peak.sites());
        live.chain(placed)
            .chain(peaks)
            .chain(self.released.regions.iter().flat_map(LiveRegion::labels))
            .chain(refused)
            .chain(self.growth.sites())
    }
}

/// What an event means; without a device, all of them.
fn wanted(event: &Event, device: Option<i32>, allocator: Option<u32>) -> Wanted {
    let devices = device.map_or(i32::MIN..=i32::MAX, |device| device..=device);
    Wanted { devices, memory: event.memory, allocator, address: event.address, id: event.holder }
}

/// Regions as the composition of a peak wants them.
fn made<'a>(regions: impl Iterator<Item = (Key, &'a Region)>) -> impl Iterator<Item = (MadeBy, u64)> {
    regions.map(|(_, region)| (region.made_by(), region.extent().bytes))
}

fn seen(key: &Key, region: &Region) -> Seen {
    Seen {
        memory: key.memory,
        device: key.device,
        site: region.site(),
        size: region.extent().bytes,
        cached: region.is_cached(),
        born: region.ticks,
    }
}

fn life(key: Key, region: &Region, state: State) -> Life {
    Life { region: region.shown(key, state), allocator: key.allocator, program: 0 }
}
