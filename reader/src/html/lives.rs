//! From when to when each allocation lived, so that a page can show any moment.
//!
//! There is room for so many. When there are more, time is cut into slices, and those that no slice began with go: what was live
//! then is exact at the beginning of every slice, and the next to double in length are the slices.

use std::collections::hash_map::Entry;

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use smallvec::SmallVec;
use ttmem_ledger::{Change, Ledger, Life, LiveRegion};
use ttmem_wire::{CoreRange, Event, EventKind, Memory, OnCore};

use super::{
    once::Once,
    place::{Place, place},
};

/// Lives that ended and are kept: those of a million events, since each takes two.
pub(super) const MOST: usize = if cfg!(test) { 64 } else { 1 << 19 };

/// By what an allocation is found again, beside its device: memory, allocator, address, program.
type Key = (Memory, u32, u64, u64);

/// Allocations of one event that are alike, and live.
#[derive(Clone, Copy, Debug)]
struct Open {
    devices: usize,
    born: u64,
    /// Of program memory, its rectangles of cores so far: a number of [`Lives::core_sets`].
    cores: usize,
}

/// What is to be known of an event, beside what it changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) ticks: u64,
    /// Where program memory is placed.
    cores: Option<CoreRange>,
    /// The program memory that has these cores too, on this device among others.
    wider: Option<(Key, i32)>,
}

impl Noted {
    pub(super) fn new(event: &Event) -> Self {
        Self { ticks: event.ticks, cores: event.cores.filter(|_| event.kind == EventKind::CbAllocate), wider: None }
    }

    /// The event has further cores of what was placed there last.
    pub(super) fn widening(mut self, event: &Event, device: i32) -> Self {
        self.wider = event.memory.map(|memory| ((memory, 0, event.address, event.holder), device));
        self
    }
}

/// What lived where, from when to when.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    place: Place,
    born: u64,
    died: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Lives {
    /// Lives that there is room for.
    most: usize,
    /// Seldom more than one of a key.
    open: HashMap<Key, SmallVec<[Open; 1]>>,
    pub(super) device_sets: Once<Vec<i32>>,
    /// Rectangles of cores; the first set is empty, where no core is named.
    pub(super) core_sets: Once<Vec<CoreRange>>,
    ended: Vec<Lifetime>,
    /// The logarithm of the ticks of a slice.
    pub(super) width: u32,
    /// Devices of the changes that are alike.
    alike: Vec<i32>,
    /// Of all lives, once no event comes any more.
    pub(super) places: Once<Place>,
    /// Birth, number of the place, death.
    lives: Vec<(u64, usize, u64)>,
}

/// Births and deaths in their order.
#[derive(Debug, Serialize)]
pub(super) struct Steps {
    /// Milliseconds of a slice, and of a tick of the times below.
    slice_ms: f64,
    is_exact: bool,
    /// Two numbers each: slices since the one before; the place of what is born, or how many births ago what dies was born,
    /// below zero.
    steps: Vec<i64>,
}

impl Default for Lives {
    fn default() -> Self {
        Self::with_room(MOST)
    }
}

impl Lives {
    /// Has room for so many.
    pub(super) fn with_room(most: usize) -> Self {
        let mut core_sets = Once::default();
        core_sets.number(Vec::new());
        Self {
            most,
            open: HashMap::new(),
            device_sets: Once::default(),
            core_sets,
            ended: Vec::new(),
            width: 0,
            alike: Vec::new(),
            places: Once::default(),
            lives: Vec::new(),
        }
    }

    /// Before the first event: notes what is live already.
    pub(super) fn begin(&mut self, ledger: &mut Ledger) {
        ledger.note_changes();
        for life in ledger.lives() {
            let key = (life.region.memory, life.allocator, life.region.address, life.program);
            let devices = self.device_sets.number(vec![life.region.device]);
            self.open.entry(key).or_default().push(Open { devices, born: 0, cores: 0 });
        }
    }

    /// What an event changed, so many ticks after the first.
    pub(super) fn note(&mut self, changes: &[Change], elapsed: u64, noted: &Noted) {
        let &Noted { cores: named, wider, .. } = noted;
        let cores = named.map_or(0, |cores| self.core_sets.number(vec![cores]));
        // The same on other devices comes next to it.
        for alike in changes.chunk_by(are_alike) {
            self.alike.clear();
            self.alike.extend(alike.iter().filter_map(device));
            match &alike[0] {
                Change::Born(life) => self.birth(key(life), elapsed, cores),
                Change::Gone(life) => self.death(key(life), &life.region, elapsed),
                Change::Widened { life, before } => {
                    self.death(key(life), &LiveRegion { size: *before, ..life.region }, elapsed);
                    self.birth(key(life), elapsed, 0);
                }
                Change::Footprint { .. } => {}
            }
        }
        if self.ended.len() > self.most {
            self.coarsen();
        }
        if let (Some((key, device)), Some(cores)) = (wider, named) {
            self.add_cores(key, device, cores);
        }
    }

    #[cold]
    fn coarsen(&mut self) {
        while self.ended.len() > self.most {
            self.width += 1;
            let slice = |ticks: u64| slice_of(ticks, self.width);
            self.ended.retain(|life| slice(life.born) != slice(life.died));
        }
    }

    fn birth(&mut self, key: Key, born: u64, cores: usize) {
        let devices = self.device_sets.number_of(&self.alike[..]);
        self.open.entry(key).or_default().push(Open { devices, born, cores });
    }

    /// A further rectangle of cores of the program memory that was born last there, on this device among others.
    fn add_cores(&mut self, key: Key, device: i32, cores: CoreRange) {
        let of_program = self.open.get_mut(&key);
        let sets = &self.device_sets.all;
        let Some(open) = of_program.and_then(|open| open.iter_mut().rfind(|open| sets[open.devices].contains(&device)))
        else {
            return;
        };
        let wider = [&self.core_sets.all[open.cores][..], &[cores]].concat();
        open.cores = self.core_sets.number(wider);
    }

    fn death(&mut self, key: Key, region: &LiveRegion, died: u64) {
        let Entry::Occupied(mut found) = self.open.entry(key) else { return };
        let (sets, alike) = (&self.device_sets.all, &self.alike[..]);
        let has_all = |open: &Open| sets[open.devices] == alike || contains_all(&sets[open.devices], alike);
        let Some(at) = found.get().iter().position(has_all) else {
            // Of several events, or on more devices than one: each by itself.
            for device in std::mem::take(&mut self.alike) {
                self.alike.push(device);
                if self.open.get(&key).is_some_and(|open| open.iter().any(|open| self.has(open, device))) {
                    self.death(key, region, died);
                }
                self.alike.clear();
            }
            return;
        };
        let Open { born, cores, devices } = found.get()[at];
        let is_same = sets[devices] == alike;
        if is_same || contains_all(alike, &sets[devices]) {
            found.get_mut().swap_remove(at);
            if found.get().is_empty() {
                found.remove();
            }
        } else {
            let rest: Vec<i32> = sets[devices].iter().copied().filter(|device| !alike.contains(device)).collect();
            found.get_mut()[at].devices = self.device_sets.number(rest);
        }
        // Of those that no slice began with there is nothing to show.
        if slice_of(born, self.width) != slice_of(died, self.width) {
            let devices = if is_same { devices } else { self.device_sets.number_of(&self.alike[..]) };
            let cores = self.cores(region, cores);
            self.ended.push(Lifetime { place: place(region, devices, cores), born, died });
        }
    }

    /// The cores of program memory, or those of a part of a buffer that has an address of its own on each core.
    fn cores(&mut self, region: &LiveRegion, cores: usize) -> usize {
        match region.core {
            Some(OnCore::At { x, y }) => self.core_sets.number(vec![CoreRange::one(x, y)]),
            _ => cores,
        }
    }

    fn has(&self, open: &Open, device: i32) -> bool {
        self.device_sets.all[open.devices].contains(&device)
    }

    /// No event comes any more: adds what is live now, and numbers all places.
    pub(super) fn end(&mut self, ledger: &Ledger) {
        let mut live: HashMap<(Key, i32), Vec<LiveRegion>> = HashMap::new();
        for life in ledger.lives() {
            live.entry((key(&life), life.region.device)).or_default().push(life.region);
        }
        let open = std::mem::take(&mut self.open).into_iter();
        let mut open: Vec<(Key, Open)> =
            open.flat_map(|(key, open)| open.into_iter().map(move |one| (key, one))).collect();
        // A map has no order.
        open.sort_by_key(|&(key, Open { born, .. })| (born, key));
        let mut lives = std::mem::take(&mut self.ended);
        for (key, Open { devices, born, cores }) in open {
            let first = self.device_sets.all[devices][0];
            if let Some(region) = live.get_mut(&(key, first)).and_then(Vec::pop) {
                let cores = self.cores(&region, cores);
                lives.push(Lifetime { place: place(&region, devices, cores), born, died: u64::MAX });
            }
        }
        let number = |Lifetime { place, born, died }| (born, self.places.number(place), died);
        self.lives = lives.into_iter().map(number).collect();
        self.lives.sort_unstable();
    }

    /// The steps, where `ms` of so many ticks is known.
    pub(super) fn steps(&self, ms: impl Fn(u64) -> f64) -> Steps {
        let slice = |ticks: u64| slice_of(ticks, self.width);
        // Deaths before births: none dies in the slice in which it was born.
        let births = self.lives.iter().enumerate().map(|(number, &(born, ..))| (slice(born), true, number));
        let deaths = self.lives.iter().enumerate().filter(|(_, (.., died))| *died != u64::MAX);
        let deaths = deaths.map(|(number, &(.., died))| (slice(died), false, number));
        let mut all: Vec<(u64, bool, usize)> = births.chain(deaths).collect();
        // Births are in order already, which this one sees.
        all.sort();
        let (mut steps, mut latest, mut born) = (Vec::with_capacity(all.len() * 2), 0, 0);
        for (at, is_birth, number) in all {
            steps.push(signed(at - latest));
            latest = at;
            if is_birth {
                born = number + 1;
                steps.push(signed(self.lives[number].1 as u64));
            } else {
                steps.push(-signed((born - number) as u64));
            }
        }
        Steps { slice_ms: ms(1_u64 << self.width.min(63)), is_exact: self.width == 0, steps }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The first slice that begins at this time or later.
fn slice_of(ticks: u64, width: u32) -> u64 {
    (ticks >> width) + u64::from(ticks & ((1 << width) - 1) != 0)
}

fn contains_all(set: &[i32], devices: &[i32]) -> bool {
    devices.iter().all(|device| set.contains(device))
}

fn key(life: &Life) -> Key {
    (life.region.memory, life.allocator, life.region.address, life.program)
}

fn device(change: &Change) -> Option<i32> {
    match change {
        Change::Born(life) | Change::Widened { life, .. } | Change::Gone(life) => Some(life.region.device),
        Change::Footprint { .. } => None,
    }
}

/// Whether two changes are one on several devices.
fn are_alike(one: &Change, other: &Change) -> bool {
    let same =
        |one: &Life, other: &Life| key(one) == key(other) && place(&one.region, 0, 0) == place(&other.region, 0, 0);
    match (one, other) {
        (Change::Born(one), Change::Born(other)) | (Change::Gone(one), Change::Gone(other)) => same(one, other),
        (Change::Widened { life: one, before }, Change::Widened { life: other, before: and }) => {
            before == and && same(one, other)
        }
        (Change::Footprint { .. }, Change::Footprint { .. }) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ttmem_wire::{Pool, Target};

    use super::*;

    type Live = BTreeSet<(i32, u64, u64)>;

    /// Events of two devices, of which a third means both; what was live after each, and when.
    fn replay(events: u64) -> (Lives, Vec<(u64, Live)>) {
        let pool = Pool { allocator: 1, chips: vec![0, 1] };
        let (mut ledger, mut changes) = (Ledger::new(), Vec::new());
        let (mut lives, mut seen) = (Lives::default(), Vec::new());
        lives.begin(&mut ledger);
        let mut chance = 7_u64;
        for number in 0..events {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let address = 4096 * (1 + (chance >> 33) % 20);
            let kind = if (chance >> 40).is_multiple_of(3) { EventKind::Free } else { EventKind::Allocate };
            let target = if (chance >> 50).is_multiple_of(2) {
                Target::Pool(0)
            } else {
                Target::Device((chance >> 52) as i32 & 1)
            };
            let size = 64 << ((chance >> 55) % 3);
            let event = Event { kind, target, address, size, memory: Some(Memory::L1), ..Event::default() };
            ledger.apply(&event, Some(&pool));
            ledger.take_changes(&mut changes);
            lives.note(&changes, number * 3, &Noted::new(&event));
            seen.push((number * 3, live_in(&ledger)));
        }
        lives.end(&ledger);
        (lives, seen)
    }

    fn live_in(ledger: &Ledger) -> Live {
        ledger.iter_live().map(|region| (region.device, region.address, region.size)).collect()
    }

    /// What the steps say is live at the beginning of a slice.
    fn live_at(lives: &Lives, steps: &[i64], slice: u64) -> Live {
        let (mut now, mut born, mut live) = (0, Vec::new(), BTreeSet::new());
        for step in steps.chunks(2) {
            now += step[0] as u64;
            if now > slice {
                break;
            }
            if step[1] >= 0 {
                live.insert(born.len());
                born.push(step[1] as usize);
            } else {
                assert!(live.remove(&(born.len() - step[1].unsigned_abs() as usize)), "it lived");
            }
        }
        let place = |&life: &usize| {
            let place = lives.places.all[born[life]];
            lives.device_sets.all[place.devices].iter().map(move |&device| (device, place.address, place.size))
        };
        live.iter().flat_map(place).collect()
    }

    #[test]
    fn every_event_of_a_short_run_can_be_shown() {
        let (lives, seen) = replay(100);
        let Steps { steps, is_exact, .. } = lives.steps(|ticks| ticks as f64);
        assert!(is_exact);
        for (elapsed, live) in seen {
            assert_eq!(live_at(&lives, &steps, elapsed), live, "after {elapsed}");
        }
    }

    #[test]
    fn checkpoints_of_a_long_run_are_exact() {
        let (lives, seen) = replay(3_000);
        let Steps { steps, slice_ms, is_exact } = lives.steps(|ticks| ticks as f64);
        let slice = slice_ms as u64;
        let ended = lives.lives.iter().filter(|(.., died)| *died != u64::MAX).count();
        assert!(!is_exact && slice > 1 && ended <= MOST, "{slice}");
        for checkpoint in 0..9_000 / slice {
            let (_, live) = seen.iter().rfind(|(elapsed, _)| *elapsed <= checkpoint * slice).unwrap();
            assert_eq!(live_at(&lives, &steps, checkpoint), *live, "checkpoint {checkpoint}");
        }
    }
}
