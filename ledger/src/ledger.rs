//! The ledger: one process's events, applied in order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ttmem_wire::{ANY_DEVICE, Event, EventKind, Memory, OnCore, Pool, Target, flags};

use crate::{
    Anomalies, Change, Finding, FreeList, Headroom, Life, LiveRegion, OutOfMemory, Released, Series, State, Totals,
    alike::Member,
    by_holder::ByHolder,
    closed::Closed,
    free_list,
    growth::{Growth, Seen},
    l1_map::{self, L1Piece},
    live::sort_largest_first,
    overlap,
    peak::{MadeBy, PeakComposition},
    place::{Place, Reported},
    places::{Places, Wanted},
    pressure::{self, Bank, L1Pressure},
    program_memory::{ProgramBuffer, ProgramMemory},
    recent::Recent,
    refusals::Refusals,
    region::{Key, Region},
    statistics::Statistics,
    totals::{RunningTotals, Sums, is_count, narrow},
    windows::{Window, WindowId, Windows},
};

/// How many regions released at close, and how many out-of-memory events, are kept one by one. All are counted.
pub const MAX_LISTED: usize = 10_000;

/// Devices that a program closes one after the other: the first close looks at what lives on all of them.
const CLOSES_AT_ONCE: u64 = 64;

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
        let before = self.changes.as_ref().and_then(|_| place.region(key.address)).map(|region| region.extent().bytes);
        let totals = &mut self.sums[at];
        let reported = place.report(event, totals);
        let is_due = totals.peak.is_due();
        // Only where somebody wants changes: the look costs as much as the report did.
        if let Some(changes) = &mut self.changes
            && let Some(region) = place.region(key.address)
        {
            let life = life(key, region, State::Live);
            match before {
                None => changes.push(Change::Born(life)),
                Some(before) if before != life.region.size => changes.push(Change::Widened { life, before }),
                Some(_) => {}
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
            Reported::OneMoreHolder => {}
            Reported::HeldAlready => self.anomalies.duplicate_holders += 1,
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

    fn place(&mut self, event: &Event, devices: &[i32]) {
        let Self { programs, sums, changes, .. } = self;
        let (memory, of_kind) = programs.of_event(event);
        of_kind.place(devices, event, |members, on_device, changed| {
            let gone = changed.gone.count();
            if on_device.count() == 0 && gone == 0 {
                // Cores of a buffer that is gone.
                return;
            }
            let bytes = on_device.footprint();
            for member in &mut *members {
                let totals = sums_of(member, memory, sums);
                totals.allocations += changed.placed;
                totals.frees += gone;
                totals.set(on_device.count(), bytes);
            }
            let Some(changes) = changes else { return };
            for &Member { device, .. } in &*members {
                note_gone(changes, (device, memory), changed.gone.buffers(), State::Live);
                if let Some(placed) = on_device.last_of(event.holder).filter(|_| changed.placed > 0) {
                    let region = placed.shown(device, memory, State::Live);
                    changes.push(Change::Born(Life { region, allocator: 0, program: event.holder }));
                }
                changes.push(Change::Footprint { device, memory, bytes: narrow(bytes) });
            }
        });
    }

    fn free_placed(&mut self, devices: &[i32], event: &Event) {
        let Self { programs, sums, changes, .. } = self;
        let (memory, of_kind) = programs.of_event(event);
        of_kind.take(devices, event.holder, |members, on_device, gone| {
            let count = gone.count();
            if count == 0 {
                return;
            }
            let bytes = on_device.footprint();
            for member in members {
                let totals = sums_of(member, memory, sums);
                totals.frees += count;
                totals.set(on_device.count(), bytes);
                if let Some(changes) = changes {
                    note_gone(changes, (member.device, memory), gone.buffers(), State::Live);
                    changes.push(Change::Footprint { device: member.device, memory, bytes: narrow(bytes) });
                }
            }
        });
    }

    /// A free that names no device: what programs have placed there on any.
    fn free_placed_everywhere(&mut self, event: &Event) {
        let (_, of_kind) = self.programs.of_event(event);
        of_kind.note_release_of_all();
        let devices: Vec<i32> = of_kind.devices().map(|(device, _)| device).collect();
        self.free_placed(&devices, event);
    }

    fn note_bank(&mut self, event: &Event, device: i32) {
        if let Some(memory) = event.memory {
            self.banks.insert((device, memory), Bank::of(event));
        }
    }

    fn close(&mut self, device: i32) {
        self.release(device, None);
        let Self { programs, sums, changes, .. } = self;
        for (memory, of_kind) in programs.iter_mut() {
            of_kind.close(device, |mut member, left| {
                if left.count() == 0 {
                    return;
                }
                let totals = sums_of(&mut member, memory, sums);
                totals.released_at_close += left.count();
                totals.set(0, 0);
                if let Some(changes) = changes {
                    note_gone(changes, (device, memory), left.entries_by_program(), State::ReleasedAtClose);
                    changes.push(Change::Footprint { device, memory, bytes: 0 });
                }
            });
        }
    }

    /// Releases what is left on a device, or what is left there of one allocator's.
    fn release(&mut self, device: i32, allocator: Option<u32>) {
        self.closed.begin();
        // What the close releases was live until now.
        let live = self.sums.live();
        if self.growth.has_news(live) && self.sums.live_on(device) * CLOSES_AT_ONCE >= live {
            self.slice();
        }
        let taken = self.places.take(device, allocator);
        self.note_close(device, &taken);
        let mut left = Vec::new();
        for (key, place, at) in taken {
            place.each_holder(|address, id, count| {
                self.closed.remember(Key { address, ..key }, id, count);
                if let Some(by_holder) = &mut self.by_holder {
                    by_holder.remove(id, Key { address, ..key });
                }
            });
            let mut regions: Vec<_> = place.regions().collect();
            regions.sort_unstable_by_key(|&(address, _)| address);
            for (address, region) in regions {
                let extent = region.extent();
                if let Some(changes) = &mut self.changes {
                    changes.push(Change::Gone(life(Key { address, ..key }, region, State::ReleasedAtClose)));
                }
                self.sums[at].released_at_close += 1;
                self.sums[at].remove(extent, region.made_by());
                self.released.count += 1;
                self.released.bytes += u128::from(extent.bytes);
                self.released.cached += u64::from(region.is_cached());
                if self.released.regions.len() < MAX_LISTED {
                    self.released.regions.push(region.shown(Key { address, ..key }, State::ReleasedAtClose));
                }
            }
            left.push((key.memory, at));
        }
        // Not before all that was taken is out of the sums.
        for (memory, at) in left {
            if self.sums[at].peak.is_due() {
                self.settle_peak(device, memory, at);
            }
        }
    }

    /// Closes of one device are a loop: what each releases.
    fn note_close(&mut self, device: i32, taken: &[(Key, Place, usize)]) {
        let allocations = self.sums.allocations(device);
        if self.allocations_at_close.insert(device, allocations) != Some(allocations) && allocations > 0 {
            let released =
                taken.iter().flat_map(|(key, place, _)| place.regions().map(|(_, region)| seen(key, region)));
            self.growth.close(device, released);
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

    /// What marks, the closes of devices, and time say about growth. Circular buffers are left out.
    pub fn growth(&self) -> Vec<Series> {
        let live = self.places.regions().map(|(key, region)| seen(&key, region));
        self.growth.series(live, self.sums.live(), self.released.count)
    }

    /// Opens a window on what happens from here on. One that is kept apart answers for what comes to life in it: windows
    /// around it do not count that as left behind, nor in their own peak. `None` where too many are open.
    pub fn open_window(&mut self, is_apart: bool) -> Option<WindowId> {
        self.windows.open(is_apart, &mut self.sums)
    }

    /// What a window has seen so far; it stays open. `None` if it is closed.
    pub fn window(&self, id: WindowId) -> Option<Window> {
        self.windows.look(id, &self.sums, &self.places)
    }

    /// Whether it is open.
    pub(crate) fn has_window(&self, id: WindowId) -> bool {
        self.windows.has(id)
    }

    /// Closes a window, and tells what it saw.
    pub fn close_window(&mut self, id: WindowId) -> Option<Window> {
        self.windows.close(id, &mut self.sums, &self.places)
    }

    /// The process ended: what is live stays listed as live at exit, or as orphaned.
    pub fn end(&mut self, end: End) {
        self.end = Some(end);
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// From now on keeps what events do to what is live, for [`Ledger::take_changes`].
    pub fn note_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// Swaps what the events since the last call did into `into`, which is emptied first. The order is that of the events;
    /// within one, what goes comes before what comes.
    pub fn take_changes(&mut self, into: &mut Vec<Change>) {
        into.clear();
        if let Some(changes) = &mut self.changes {
            std::mem::swap(changes, into);
        }
    }

    /// From now on counts all that is allocated, for [`Ledger::statistics`]. Not saved: one that was restored has to be asked
    /// again.
    pub fn keep_statistics(&mut self) {
        let is_whole = self.sums.keys().is_empty();
        self.statistics.get_or_insert_with(|| Box::new(Statistics::new(is_whole)));
    }

    /// What was allocated in all, if [`Ledger::keep_statistics`] was called.
    pub fn statistics(&self) -> Option<&Statistics> {
        self.statistics.as_deref()
    }

    /// What is live, each with what it is known by; in the order of device, memory, allocator, address.
    pub fn lives(&self) -> Vec<Life> {
        let mut lives: Vec<Life> = self.places.regions().map(|(key, region)| life(key, region, self.state())).collect();
        for (memory, device, on_device) in self.programs.devices() {
            lives.extend(on_device.entries_by_program().map(|(program, buffer)| Life {
                region: buffer.shown(device, memory, self.state()),
                allocator: 0,
                program,
            }));
        }
        // What is equal in all of this stays in the order of its placement.
        lives.sort_by_key(|life| {
            let region = &life.region;
            (region.device, region.memory, life.allocator, region.address, life.program)
        });
        lives
    }

    fn state(&self) -> State {
        match self.end {
            None => State::Live,
            Some(End::Exited) => State::LiveAtExit,
            Some(End::Killed) => State::Orphaned,
        }
    }

    /// The sums, by device, then memory.
    pub fn totals(&self) -> Vec<(i32, Memory, Totals)> {
        self.sums.iter().map(|(device, memory, totals)| (device, memory, totals.shown())).collect()
    }

    /// What made the peak of each memory of each device, by device, then memory. Where nothing was ever live, and of
    /// program memory, there is none. Walks over what is live where a peak is young: nothing to ask after each event.
    pub fn peaks(&self) -> Vec<PeakComposition> {
        let memories = self.sums.iter().filter(|(_, memory, _)| !memory.is_of_programs());
        let shown = memories.map(|(device, memory, totals)| {
            let live = || made(self.places.regions_in(device, memory));
            totals.peak.shown((device, memory), totals.shown().peak_bytes, live)
        });
        shown.filter(|peak| peak.peak_bytes > 0).collect()
    }

    /// How full the L1 of a device is, where programs place and where its allocator was seen.
    pub fn l1_pressure(&self, device: i32) -> Option<L1Pressure> {
        let lowest = self.places.regions_in(device, Memory::L1).map(|(key, _)| key.address).min();
        let totals = self.sums.known(device, Memory::L1).map(RunningTotals::shown);
        let buffer_bytes = totals.map_or(Some(0), |totals| totals.live_bytes_per_bank);
        pressure::find(&self.programs, device, self.bank(device, Memory::L1), lowest, buffer_bytes)
    }

    /// What lies in the L1 of a core of a device, by address.
    pub fn l1_map(&self, device: i32, core: (u16, u16)) -> Vec<L1Piece> {
        l1_map::pieces(&self.programs, &self.places, device, core)
    }

    /// Bytes that are live in a memory of a device.
    pub fn live_bytes_of(&self, device: i32, memory: Memory) -> u64 {
        self.sums.known(device, memory).map_or(0, |totals| totals.shown().live_bytes)
    }

    /// The sums of a memory of a device, if it was ever used.
    pub fn totals_of(&self, device: i32, memory: Memory) -> Option<Totals> {
        self.sums.known(device, memory).map(RunningTotals::shown)
    }

    /// What the allocator of a memory was made with, if it was seen.
    pub fn bank(&self, device: i32, memory: Memory) -> Option<Bank> {
        self.banks.get(&(device, memory)).copied()
    }

    /// The free blocks of a memory, if its allocator was seen and the bytes a bank of all that lives in it are known. Sorts what
    /// is live there: nothing to ask after each event.
    pub fn free_list(&self, device: i32, memory: Memory) -> Option<FreeList> {
        let bank = self.bank(device, memory)?;
        let live = self.places.regions_in(device, memory).map(|(key, region)| region.shown(key, State::Live));
        Some(FreeList::new(bank, live.map(|region| free_list::taken(&region)).collect::<Option<_>>()?))
    }

    /// What a memory has, and has left, if its allocator was seen.
    pub fn headroom(&self, device: i32, memory: Memory) -> Option<Headroom> {
        Some(Headroom::new(self.bank(device, memory)?, self.free_list(device, memory).as_ref()))
    }

    /// The devices and memories that were ever used, in the order of their first use: an entry keeps its place.
    pub fn memories(&self) -> Vec<(i32, Memory)> {
        self.sums.keys()
    }

    /// Bytes live in each of [`Ledger::memories`]. Cheap enough to be asked after every event.
    pub fn live_bytes(&self) -> impl Iterator<Item = u64> {
        self.sums.live_bytes()
    }

    /// What is live (or was when the process ended): largest first, then by device, memory, address, age.
    pub fn live(&self) -> Vec<LiveRegion> {
        let mut live: Vec<LiveRegion> = self.iter_live().collect();
        sort_largest_first(&mut live);
        live
    }

    /// The same in no order.
    pub fn iter_live(&self) -> impl Iterator<Item = LiveRegion> {
        let state = self.state();
        let placed = self.programs.devices().flat_map(move |(memory, device, on_device)| {
            on_device.entries().map(move |buffer| buffer.shown(device, memory, state))
        });
        self.places.regions().map(move |(key, region)| region.shown(key, state)).chain(placed)
    }

    /// What closing devices released, close by close. Program memory is in the sums only.
    pub fn released_at_close(&self) -> &Released {
        &self.released
    }

    /// Events that did not fit.
    pub fn anomalies(&self) -> Anomalies {
        self.anomalies
    }

    /// The first [`MAX_LISTED`] refusals of an allocator.
    pub fn out_of_memory(&self) -> &[OutOfMemory] {
        self.refusals.list()
    }

    /// Regions and program memory that are live.
    pub fn live_count(&self) -> u64 {
        self.sums.live()
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

    pub(crate) fn banks(&self) -> &BTreeMap<(i32, Memory), Bank> {
        &self.banks
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

    /// Patterns worth a sentence, in the order in which a report tells them.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let partly_freed = || self.places.regions().filter(|(_, region)| region.holders() < region.reports);
        let regions = partly_freed().count() as u64;
        if regions > 0 {
            let bytes = partly_freed().map(|(_, region)| u128::from(region.extent().bytes)).sum();
            findings.push(Finding::HeldByFewerThanReported { regions, bytes });
        }
        findings.extend(overlap::find(self.places.regions()));
        let unknown = || self.places.regions().filter(|(key, _)| key.core() == Some(OnCore::Unknown));
        let regions = unknown().count() as u64;
        if regions > 0 {
            let bytes = unknown().map(|(_, region)| u128::from(region.extent().bytes)).sum();
            findings.push(Finding::AddressesUnknown { regions, bytes });
        }
        let cached = || self.places.regions().filter(|(_, region)| region.is_cached());
        let regions = cached().count() as u64;
        if regions > 0 {
            let bytes = cached().map(|(_, region)| u128::from(region.extent().bytes)).sum();
            findings.push(Finding::Cached { regions, bytes });
        }
        let unreleased = self.programs.circular_buffers().never_released();
        findings.extend(unreleased.map(|(device, buffers)| Finding::NoCircularBufferRelease { device, buffers }));
        if self.anomalies.unmatched_frees > 0 {
            findings.push(Finding::UnmatchedFrees { frees: self.anomalies.unmatched_frees });
        }
        if self.released.count > 0 {
            findings.push(Finding::ReleasedAtClose { regions: self.released.count, bytes: self.released.bytes });
        }
        let (times, clashes) = self.refusals.times();
        if times > 0 {
            findings.push(Finding::OutOfMemory { times, clashes });
        }
        findings
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

/// The sums of a device's program memory, which are looked up once.
fn sums_of<'a>(member: &mut Member, memory: Memory, sums: &'a mut Sums) -> &'a mut RunningTotals {
    let at = *member.sums.get_or_insert_with(|| sums.index_of(member.device, memory));
    &mut sums[at]
}

fn note_gone<'a>(
    changes: &mut Vec<Change>,
    (device, memory): (i32, Memory),
    gone: impl Iterator<Item = (u64, &'a ProgramBuffer)>,
    state: State,
) {
    changes.extend(gone.map(|(program, buffer)| {
        Change::Gone(Life { region: buffer.shown(device, memory, state), allocator: 0, program })
    }));
}
