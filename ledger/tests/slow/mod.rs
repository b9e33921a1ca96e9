//! The rules as one would tell them: lists that are searched from end to end, and every sum made anew.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, BTreeSet};

use ttmem_ledger::{Anomalies, LiveRegion, Totals};
use ttmem_wire::{ANY_DEVICE, CoreRange, Event, EventKind, Memory, Pool, Target, flags};

/// Device, memory, address, allocator.
type Key = (i32, Memory, u64, u32);

/// A live region as it is compared: device, memory, address, size, bytes a bank, holders, reports, ticks.
pub(crate) type Row = (i32, Memory, u64, u64, Option<u64>, u32, u32, u64);

/// What is compared of a live region.
pub(crate) fn row(region: &LiveRegion) -> Row {
    let LiveRegion { device, memory, address, size, size_per_bank, holders, reports, allocated_at_ticks, .. } = *region;
    (device, memory, address, size, size_per_bank, holders, reports, allocated_at_ticks)
}

#[derive(Clone, Debug)]
struct Held {
    key: Key,
    size: u64,
    per_bank: Option<u64>,
    /// By id, 0 for a holder without one.
    holders: Vec<u64>,
    reports: u32,
    ticks: u64,
    /// In which step it came to life.
    born: u64,
    cached: bool,
}

/// Somebody who held a region when it was released. Its address counts until it serves again.
#[derive(Debug)]
struct Late {
    key: Key,
    address_counts: bool,
    id: u64,
}

/// Cores of the traces' rectangles are below this, each way.
pub(crate) const CORES: u16 = 3;

/// Program memory on one device, with its rectangles of cores; `None` for all cores.
#[derive(Debug)]
struct Placed {
    device: i32,
    memory: Memory,
    event: Event,
    cores: Vec<Option<CoreRange>>,
}

#[derive(Clone, Copy)]
struct Wanted {
    device: Option<i32>,
    memory: Option<Memory>,
    allocator: Option<u32>,
    address: u64,
    id: u64,
}

impl Wanted {
    fn fits(&self, (device, memory, address, allocator): Key) -> bool {
        self.device.is_none_or(|wanted| wanted == device)
            && self.memory.is_none_or(|wanted| wanted == memory)
            && self.allocator.is_none_or(|wanted| wanted == allocator)
            && self.address == address
    }

    fn on(&self, device: i32) -> bool {
        self.device.is_none_or(|wanted| wanted == device)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Slow {
    live: Vec<Held>,
    steps: u64,
    late: Vec<Late>,
    freed: Vec<(Key, u64)>,
    placed: Vec<Placed>,
    seen: BTreeMap<(i32, Memory), Totals>,
    /// The most bytes a bank, `None` once they were not known.
    peaks_per_bank: BTreeMap<(i32, Memory), Option<u64>>,
    pub(crate) anomalies: Anomalies,
    pub(crate) released: u64,
}

/// Which program memory an event means.
fn kind_of(event: &Event) -> Memory {
    event.memory.filter(|memory| memory.is_of_programs()).unwrap_or(Memory::CircularBuffer)
}

/// Who of these holders a free with this id means.
fn who_goes(holders: &[u64], id: u64) -> Option<usize> {
    let of = |wanted: u64| holders.iter().position(|&holder| holder == wanted);
    if id != 0 && of(id).is_some() {
        return of(id);
    }
    if id != 0 && holders.iter().any(|&holder| holder != 0) {
        return None;
    }
    of(0).or_else(|| of(*holders.iter().min()?))
}

impl Slow {
    pub(crate) fn apply(&mut self, event: &Event, pool: Option<&Pool>) {
        self.steps += 1;
        match (event.target, pool) {
            (Target::Device(device), _) => self.apply_on(event, device, 0, true),
            (_, Some(pool)) => pool.chips.iter().for_each(|&chip| self.apply_on(event, chip, pool.allocator, false)),
            _ => self.anomalies.unknown_pools += 1,
        }
        self.note_peaks();
    }

    fn apply_on(&mut self, event: &Event, device: i32, allocator: u32, alone: bool) {
        let any = alone && device == ANY_DEVICE;
        match event.kind {
            EventKind::Allocate => self.allocate(event, device, allocator),
            EventKind::Free => {
                let exact = !any && event.memory.is_some() && event.flags & flags::PREALLOCATED == 0;
                let wanted = Wanted {
                    device: (!any).then_some(device),
                    memory: event.memory,
                    allocator: exact.then_some(allocator),
                    address: event.address,
                    id: event.holder,
                };
                if event.flags & flags::ADDRESS_UNKNOWN != 0 { self.free_by_id(wanted) } else { self.free(wanted) }
            }
            EventKind::CbAllocate => self.place(event, device),
            EventKind::CbFreeAll => {
                let is_meant = |placed: &Placed| {
                    (any || placed.device == device)
                        && placed.memory == kind_of(event)
                        && (event.holder == 0 || event.holder == placed.event.holder)
                };
                self.take_placed(is_meant, |totals| &mut totals.frees);
            }
            EventKind::DeviceClosed => {
                self.take_placed(|placed| placed.device == device, |totals| &mut totals.released_at_close);
                self.release(|key| key.0 == device);
            }
            EventKind::PoolReleased => self.release(|key| key.0 == device && key.3 == allocator),
            _ => {}
        }
        self.note_peaks();
    }

    fn allocate(&mut self, event: &Event, device: i32, allocator: u32) {
        let memory = event.memory.unwrap();
        let mut key = (device, memory, event.address, allocator);
        if event.flags & flags::PREALLOCATED != 0 {
            let over = Wanted {
                device: Some(device),
                memory: Some(memory),
                allocator: None,
                address: event.address,
                id: event.holder,
            };
            key = self.best(over).map_or(key, |index| self.live[index].key);
        }
        self.seen.entry((device, memory)).or_default().allocations += 1;
        let Some(held) = self.live.iter_mut().find(|held| held.key == key) else {
            self.late.iter_mut().filter(|late| late.key == key).for_each(|late| late.address_counts = false);
            let (size, per_bank, ticks) = (event.size, event.size_per_bank, event.ticks);
            let (born, cached) = (self.steps, event.flags & flags::FOR_PROGRAM != 0);
            let holders = vec![event.holder];
            self.live.push(Held { key, size, per_bank, holders, reports: 1, ticks, born, cached });
            return;
        };
        if event.holder != 0 && held.holders.contains(&event.holder) {
            self.anomalies.duplicate_holders += 1;
        } else {
            held.holders.push(event.holder);
            held.reports += 1;
        }
        held.size = held.size.max(event.size);
        held.per_bank = held.per_bank.max(event.size_per_bank);
    }

    fn best(&self, wanted: Wanted) -> Option<usize> {
        let fits = (0..self.live.len()).filter(|&index| wanted.fits(self.live[index].key));
        fits.max_by_key(|&index| {
            let held = &self.live[index];
            let holds = wanted.id != 0 && held.holders.contains(&wanted.id);
            (holds, held.ticks, std::cmp::Reverse(held.key))
        })
    }

    fn free(&mut self, wanted: Wanted) {
        let found = self.best(wanted);
        if found.is_some_and(|index| self.let_go(index, wanted.id)) {
            return;
        }
        if self.free_late(wanted) {
            self.anomalies.late_frees += 1;
            return;
        }
        self.anomalies.unmatched_frees += 1;
        let same = |id: u64| id == wanted.id || id == 0 || wanted.id == 0;
        let double = self.last_freed().any(|(key, id)| wanted.fits(key) && same(id));
        self.anomalies.double_frees += u64::from(double);
    }

    fn last_freed(&self) -> impl Iterator<Item = (Key, u64)> {
        self.freed.iter().rev().take(256).copied()
    }

    fn let_go(&mut self, index: usize, id: u64) -> bool {
        let held = &mut self.live[index];
        let Some(who) = who_goes(&held.holders, id) else { return false };
        let (device, memory, ..) = held.key;
        self.freed.push((held.key, held.holders.remove(who)));
        self.seen.entry((device, memory)).or_default().frees += 1;
        if held.holders.is_empty() {
            self.live.remove(index);
        }
        true
    }

    fn free_late(&mut self, wanted: Wanted) -> bool {
        let known = |late: &&Late| wanted.id != 0 && late.id == wanted.id && wanted.on(late.key.0);
        if let Some(key) = self.late.iter().filter(known).map(|late| late.key).min() {
            self.late.retain(|late| late.id != wanted.id || late.key != key);
            return true;
        }
        let fits = |late: &&Late| late.address_counts && wanted.fits(late.key);
        let Some(key) = self.late.iter().filter(fits).map(|late| late.key).min() else { return false };
        let of_key = |late: &Late| late.address_counts && late.key == key;
        let holders: Vec<u64> = self.late.iter().filter(|late| of_key(late)).map(|late| late.id).collect();
        let Some(who) = who_goes(&holders, wanted.id) else { return false };
        let gone = self.late.iter().position(|late| of_key(late) && late.id == holders[who]).unwrap();
        self.late.remove(gone);
        true
    }

    fn free_by_id(&mut self, wanted: Wanted) {
        let holds = |held: &Held| wanted.id != 0 && wanted.on(held.key.0) && held.holders.contains(&wanted.id);
        let mut held: Vec<Key> = self.live.iter().filter(|held| holds(held)).map(|held| held.key).collect();
        held.sort_by_key(|&(device, memory, address, allocator)| (device, memory, address, allocator));
        for key in &held {
            let index = self.live.iter().position(|held| held.key == *key).unwrap();
            self.let_go(index, wanted.id);
        }
        if !held.is_empty() {
            return;
        }
        let before = self.late.len();
        self.late.retain(|late| wanted.id == 0 || late.id != wanted.id || !wanted.on(late.key.0));
        self.anomalies.late_frees += (before - self.late.len()) as u64;
        if before == self.late.len() {
            self.anomalies.unmatched_frees += 1;
            let double = self.last_freed().any(|(key, id)| id != 0 && id == wanted.id && wanted.on(key.0));
            self.anomalies.double_frees += u64::from(double);
        }
    }

    fn release(&mut self, chosen: impl Fn(Key) -> bool) {
        let (gone, left) = std::mem::take(&mut self.live).into_iter().partition(|held| chosen(held.key));
        self.live = left;
        let gone: Vec<Held> = gone;
        for held in gone {
            let (device, memory, ..) = held.key;
            self.seen.entry((device, memory)).or_default().released_at_close += 1;
            self.released += 1;
            // An id that is known of this region from an earlier close is known once.
            self.late.retain(|late| late.key != held.key || !held.holders.contains(&late.id) || late.id == 0);
            self.late.extend(held.holders.iter().map(|&id| Late { key: held.key, address_counts: true, id }));
        }
    }

    fn place(&mut self, event: &Event, device: i32) {
        let memory = kind_of(event);
        let of_program =
            |placed: &Placed| (placed.device, placed.memory, placed.event.holder) == (device, memory, event.holder);
        if event.flags & flags::MORE_CORES != 0 {
            let same = |placed: &&mut Placed| {
                let before = &placed.event;
                (before.address, before.size, before.thread) == (event.address, event.size, event.thread)
            };
            let last = self.placed.iter_mut().rev().find(|placed| of_program(placed)).filter(same);
            if let (Some(placed), Some(cores)) = (last, event.cores) {
                placed.cores.push(Some(cores));
            }
            return;
        }
        if event.flags & flags::NEW_PLACEMENT != 0 && event.holder != 0 {
            self.take_placed(of_program, |totals| &mut totals.frees);
        }
        self.seen.entry((device, memory)).or_default().allocations += 1;
        self.placed.push(Placed { device, memory, event: *event, cores: vec![event.cores] });
    }

    fn take_placed(&mut self, chosen: impl Fn(&Placed) -> bool, counter: fn(&mut Totals) -> &mut u64) {
        for placed in self.placed.iter().filter(|placed| chosen(placed)) {
            *counter(self.seen.entry((placed.device, placed.memory)).or_default()) += 1;
        }
        self.placed.retain(|placed| !chosen(placed));
    }

    /// Bytes that the fullest core gives up: core by core, byte by byte. One core more than any rectangle has stands for
    /// those that no rectangle names.
    fn footprint(&self, device: i32, memory: Memory) -> u64 {
        let mut fullest = 0;
        for (x, y) in (0..=CORES).flat_map(|x| (0..=CORES).map(move |y| (x, y))) {
            let mut bytes = BTreeSet::new();
            for placed in self.placed.iter().filter(|placed| (placed.device, placed.memory) == (device, memory)) {
                let Event { address, size, flags: bits, .. } = placed.event;
                let has_core = placed.cores.iter().any(|cores| {
                    cores.is_none_or(|cores| {
                        (cores.first_x..=cores.last_x).contains(&x) && (cores.first_y..=cores.last_y).contains(&y)
                    })
                });
                if has_core && bits & flags::GLOBALLY_ALLOCATED == 0 {
                    bytes.extend(address..address + size);
                }
            }
            fullest = fullest.max(bytes.len() as u64);
        }
        fullest
    }

    fn now(&self, device: i32, memory: Memory) -> (u64, u64, Option<u64>) {
        if memory.is_of_programs() {
            let here = |placed: &&Placed| (placed.device, placed.memory) == (device, memory);
            let count = self.placed.iter().filter(here).count() as u64;
            let bytes = self.footprint(device, memory);
            return (bytes, count, Some(bytes));
        }
        let here = || self.live.iter().filter(|held| (held.key.0, held.key.1) == (device, memory));
        let per_bank = here().map(|held| held.per_bank).sum();
        (here().map(|held| held.size).sum(), here().count() as u64, per_bank)
    }

    fn note_peaks(&mut self) {
        for name in self.seen.keys().copied().collect::<Vec<_>>() {
            let (bytes, _, per_bank) = self.now(name.0, name.1);
            let totals = self.seen.get_mut(&name).unwrap();
            totals.peak_bytes = totals.peak_bytes.max(bytes);
            let peak = self.peaks_per_bank.entry(name).or_insert(Some(0));
            *peak = peak.zip(per_bank).map(|(peak, now)| peak.max(now));
        }
    }

    pub(crate) fn totals(&self) -> Vec<(i32, Memory, Totals)> {
        let with_live = |(&(device, memory), totals): (&(i32, Memory), &Totals)| {
            let (live_bytes, live_buffers, live_bytes_per_bank) = self.now(device, memory);
            let peak_bytes_per_bank = self.peaks_per_bank[&(device, memory)];
            let totals = Totals { live_bytes, live_buffers, live_bytes_per_bank, peak_bytes_per_bank, ..*totals };
            (device, memory, totals)
        };
        self.seen.iter().map(with_live).collect()
    }

    /// How many events there were.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// What is live, with the step in which it came to life: device, memory, address, bytes, step, of the program cache.
    pub(crate) fn births(&self) -> impl Iterator<Item = (i32, Memory, u64, u64, u64, bool)> {
        self.live.iter().map(|held| {
            let (device, memory, address, _) = held.key;
            (device, memory, address, held.size, held.born, held.cached)
        })
    }

    /// Largest first.
    pub(crate) fn live(&self) -> Vec<Row> {
        let region = |held: &Held| {
            let (device, memory, address, _) = held.key;
            (device, memory, address, held.size, held.per_bank, held.holders.len() as u32, held.reports, held.ticks)
        };
        let mut sorted: Vec<&Held> = self.live.iter().collect();
        sorted.sort_by_key(|held| held.key.3);
        let mut rows: Vec<Row> = sorted.into_iter().map(region).collect();
        rows.extend(self.placed.iter().map(|Placed { device, memory, event, .. }| {
            let size = event.size;
            (*device, *memory, event.address, size, Some(size), 1, 1, event.ticks)
        }));
        rows.sort_by_key(|&(device, memory, address, size, .., ticks)| {
            (std::cmp::Reverse(size), device, memory, address, ticks)
        });
        rows
    }
}
