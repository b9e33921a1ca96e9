//! From when to when each allocation lived, so that a page can show any moment.
//!
//! There is room for so many. When there are more, time is cut into slices, and those that no slice began with go: what was live
//! then is exact at the beginning of every slice, and the next to double in length are the slices.

use foldhash::{HashMap, HashMapExt};
use serde::Serialize;
use ttmem_ledger::{Change, Ledger, LiveRegion};
use ttmem_wire::{CoreRange, Event, EventKind, Memory, OnCore};

use super::{
    once::Once,
    place::{Place, place},
};

/// Lives that are kept: those of a million events.
pub(super) const MOST: usize = if cfg!(test) { 64 } else { 1 << 20 };

/// By what an allocation is found again, beside its device: memory, allocator, address, program.
type Key = (Memory, u32, u64, u64);

/// Allocations of one event that are alike, and live.
#[derive(Clone, Debug)]
struct Open {
    devices: usize,
    born: u64,
    /// Of program memory, its rectangles of cores so far: a number of [`Lives::core_sets`].
    cores: usize,
}

#[derive(Clone, Copy, Debug)]
struct Lifetime {
    place: usize,
    born: u64,
    died: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Lives {
    /// Lives that there is room for.
    most: usize,
    begun: bool,
    open: HashMap<Key, Vec<Open>>,
    pub(super) places: Once<Place>,
    pub(super) device_sets: Once<Vec<i32>>,
    /// Rectangles of cores; the first set is empty, where no core is named.
    pub(super) core_sets: Once<Vec<CoreRange>>,
    ended: Vec<Lifetime>,
    survivors: Vec<Lifetime>,
    /// The logarithm of the ticks of a slice.
    pub(super) width: u32,
    changes: Vec<Change>,
    /// Devices of the changes that are alike.
    alike: Vec<i32>,
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
            begun: false,
            open: HashMap::new(),
            places: Once::default(),
            device_sets: Once::default(),
            core_sets,
            ended: Vec::new(),
            survivors: Vec::new(),
            width: 0,
            changes: Vec::new(),
            alike: Vec::new(),
        }
    }

    /// Before the first event: notes what is live already.
    pub(super) fn begin(&mut self, ledger: &mut Ledger) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        ledger.note_changes();
        for life in ledger.lives() {
            let key = (life.region.memory, life.allocator, life.region.address, life.program);
            let devices = self.device_sets.number(vec![life.region.device]);
            self.open.entry(key).or_default().push(Open { devices, born: 0, cores: 0 });
        }
    }

    /// An event was applied so many ticks after the first.
    pub(super) fn note(&mut self, ledger: &mut Ledger, event: &Event, elapsed: u64) {
        let named = event.cores.filter(|_| event.kind == EventKind::CbAllocate);
        let cores = named.map_or(0, |cores| self.core_sets.number(vec![cores]));
        let mut changes = std::mem::take(&mut self.changes);
        ledger.take_changes(&mut changes);
        // The same on other devices comes next to it.
        for alike in changes.chunk_by(are_alike) {
            self.alike.clear();
            self.alike.extend(alike.iter().filter_map(device));
            match alike[0] {
                Change::Born(life) => self.birth(key(&life), elapsed, cores),
                Change::Gone(life) => self.death(key(&life), &life.region, elapsed),
                Change::Widened { life, before } => {
                    self.death(key(&life), &LiveRegion { size: before, ..life.region }, elapsed);
                    self.birth(key(&life), elapsed, 0);
                }
                Change::Footprint { .. } => {}
            }
        }
        self.changes = changes;
        if self.ended.len() > self.most {
            self.coarsen();
        }
    }

    #[cold]
    fn coarsen(&mut self) {
        while self.ended.len() > self.most {
            self.width += 1;
            let slice = |ticks: u64| slice_of(ticks, self.width);
            self.ended.retain(|life| slice(life.born) != slice(life.died));
        }
        let mut places = Once::default();
        for life in &mut self.ended {
            life.place = places.number(self.places.all[life.place]);
        }
        self.places = places;
    }

    fn birth(&mut self, key: Key, born: u64, cores: usize) {
        let devices = self.device_sets.number_of(&self.alike[..]);
        self.open.entry(key).or_default().push(Open { devices, born, cores });
    }

    /// A further rectangle of cores of the program memory that was born last there, on this device among others.
    pub(super) fn add_cores(&mut self, event: &Event, device: i32) {
        let (Some(memory), Some(cores)) = (event.memory, event.cores) else { return };
        let of_program = self.open.get_mut(&(memory, 0, event.address, event.holder));
        let sets = &self.device_sets.all;
        let Some(open) = of_program.and_then(|open| open.iter_mut().rfind(|open| sets[open.devices].contains(&device)))
        else {
            return;
        };
        let wider = [&self.core_sets.all[open.cores][..], &[cores]].concat();
        open.cores = self.core_sets.number(wider);
    }

    fn death(&mut self, key: Key, region: &LiveRegion, died: u64) {
        let Some(open) = self.open.get_mut(&key) else { return };
        let sets = &self.device_sets.all;
        let Some(at) = open.iter().position(|open| self.alike.iter().all(|device| sets[open.devices].contains(device)))
        else {
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
        let Open { born, cores, devices } = open[at];
        if sets[devices].iter().all(|device| self.alike.contains(device)) {
            open.swap_remove(at);
            if open.is_empty() {
                self.open.remove(&key);
            }
        } else {
            let rest: Vec<i32> = sets[devices].iter().copied().filter(|device| !self.alike.contains(device)).collect();
            open[at].devices = self.device_sets.number(rest);
        }
        // Of those that no slice began with there is nothing to show.
        if slice_of(born, self.width) != slice_of(died, self.width) {
            let devices = self.device_sets.number_of(&self.alike[..]);
            let cores = self.cores(region, cores);
            let place = self.places.number(place(region, devices, cores));
            self.ended.push(Lifetime { place, born, died });
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

    /// No event comes any more: what is live now.
    pub(super) fn end(&mut self, ledger: &Ledger) {
        let mut live: HashMap<(Key, i32), Vec<LiveRegion>> = HashMap::new();
        for life in ledger.lives() {
            live.entry((key(&life), life.region.device)).or_default().push(life.region);
        }
        for (key, open) in std::mem::take(&mut self.open) {
            for Open { devices, born, cores } in open {
                let first = self.device_sets.all[devices][0];
                if let Some(region) = live.get_mut(&(key, first)).and_then(Vec::pop) {
                    let cores = self.cores(&region, cores);
                    let place = self.places.number(place(&region, devices, cores));
                    self.survivors.push(Lifetime { place, born, died: u64::MAX });
                }
            }
        }
    }

    /// The steps, where `ms` of so many ticks is known.
    pub(super) fn steps(&self, ms: impl Fn(u64) -> f64) -> Steps {
        let slice = |ticks: u64| slice_of(ticks, self.width);
        let mut lives: Vec<&Lifetime> = self.ended.iter().chain(&self.survivors).collect();
        lives.sort_unstable_by_key(|life| (life.born, life.place, life.died));
        // Deaths before births: none dies in the slice in which it was born.
        let births = lives.iter().enumerate().map(|(number, life)| (slice(life.born), true, number));
        let deaths = lives.iter().enumerate().filter(|(_, life)| life.died != u64::MAX);
        let deaths = deaths.map(|(number, life)| (slice(life.died), false, number));
        let mut all: Vec<(u64, bool, usize)> = births.chain(deaths).collect();
        all.sort_unstable();
        let (mut steps, mut latest, mut born) = (Vec::with_capacity(all.len() * 2), 0, 0);
        for (at, is_birth, number) in all {
            steps.push(signed(at - latest));
            latest = at;
            if is_birth {
                born = number + 1;
                steps.push(signed(lives[number].place as u64));
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

fn key(life: &ttmem_ledger::Life) -> Key {
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
    let same = |one: &ttmem_ledger::Life, other: &ttmem_ledger::Life| {
        key(one) == key(other) && place(&one.region, 0, 0) == place(&other.region, 0, 0)
    };
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
        let (mut ledger, mut lives, mut seen) = (Ledger::new(), Lives::default(), Vec::new());
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
            lives.note(&mut ledger, &event, number * 3);
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
        assert!(!is_exact && slice > 1 && lives.ended.len() <= MOST, "{slice}");
        for checkpoint in 0..9_000 / slice {
            let (_, live) = seen.iter().rfind(|(elapsed, _)| *elapsed <= checkpoint * slice).unwrap();
            assert_eq!(live_at(&lives, &steps, checkpoint), *live, "checkpoint {checkpoint}");
        }
    }
}
