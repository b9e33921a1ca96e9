//! Events for what lives already where a recording begins in the middle, as perf synthesizes events for the mappings and
//! threads that it finds.

use std::collections::{BTreeMap, HashMap};

use ttmem_wire::{ANY_DEVICE, Event, EventKind, Fact, MAX_POOLS, OnCore, Pool, Target, flags, split_mark};

use crate::{
    Account, Facts,
    program_memory::OnDevice,
    region::{Key, Region},
};

/// Events after which an empty account holds what another one holds.
#[derive(Clone, Debug, Default)]
pub struct Synthesized {
    /// Pools that the events name and the account has not: by index, from the last one down.
    pub pools: Vec<(u32, Pool)>,
    /// The events in their order.
    pub events: Vec<Event>,
}

/// Buffers that are alike on some devices, in the order of their age. One over memory that was there before joined nothing,
/// so that what else lies there is younger. Numbers of the region, and its owners by id.
type Alike = (u64, bool, Key, [u64; Region::FIELDS], Vec<(u64, u32)>);

impl Account {
    /// Synthesizes events that end at this moment, a tick each, so that the younger stays the younger: facts, banks, buffers with their owners and tensors, and program
    /// memory. `thread` made what no thread is known of. The past is left out: peaks begin with what is live; marks, regions of the program, growth and findings do
    /// not come along.
    pub fn synthesize(&self, ticks: u64, thread: u32) -> Synthesized {
        let mut targets = Targets { account: self, made: Vec::new(), found: HashMap::new() };
        let mut events: Vec<Event> = self.facts().marks().flat_map(|mark| parts(&mark)).collect();
        let ledger = self.ledger();
        for (&(device, memory), bank) in ledger.banks() {
            let target = Target::Device(device);
            events.push(Event { target, memory: Some(memory), ..bank.event() });
        }
        let mut alike: BTreeMap<Alike, Vec<i32>> = BTreeMap::new();
        for (key, region, owners) in ledger.places().owned() {
            let owns_data = region.event(key.memory).flags & flags::PREALLOCATED == 0;
            let of_all = Key { device: ANY_DEVICE, ..key };
            alike.entry((region.ticks, owns_data, of_all, region.fields(), owners)).or_default().push(key.device);
        }
        for ((_, _, key, fields, owners), mut devices) in alike {
            let Some(region) = Region::from_fields(fields) else { continue };
            devices.sort_unstable();
            let code = key.core().map_or(0, OnCore::code);
            let allocator = if code == 0 { key.allocator } else { 0 };
            for target in targets.of(allocator, &devices) {
                let event = Event { target, address: key.address, extra: code, ..region.event(key.memory) };
                let ids = owners.iter().flat_map(|&(id, count)| (0..count).map(move |_| id));
                events.extend(ids.enumerate().map(|(at, holder)| {
                    let flags = if at == 0 { event.flags } else { event.flags & !flags::PREALLOCATED };
                    Event { holder, flags, ..event }
                }));
            }
            let tensor = (owners.iter().find(|(id, _)| *id != 0)).filter(|_| region.tensor() != 0);
            for (&(holder, _), &device) in
                tensor.iter().flat_map(|owner| devices.iter().map(move |device| (*owner, device)))
            {
                events.push(Event {
                    kind: EventKind::Tensor,
                    target: Target::Device(device),
                    memory: Some(key.memory),
                    address: key.address,
                    site: region.tensor(),
                    holder,
                    ..Event::default()
                });
            }
        }
        // Releases first: one that names no device means all.
        for of_group in [releases, placements] {
            for (memory, devices, placed) in ledger.programs().groups() {
                let placed = of_group(placed);
                let each = |target| placed.iter().map(move |event| Event { target, memory: Some(memory), ..*event });
                events.extend(targets.of(0, &devices).into_iter().flat_map(each));
            }
        }
        let begin = ticks.saturating_sub(events.len() as u64);
        for (ticks, event) in (begin..).zip(&mut events) {
            event.ticks = ticks;
            if event.thread == 0 {
                event.thread = thread;
            }
        }
        Synthesized { pools: targets.made, events }
    }
}

/// A release of program memory, where one was ever reported.
fn releases(placed: &OnDevice) -> Vec<Event> {
    let release = Event { kind: EventKind::CbFreeAll, ..Event::default() };
    if placed.release_was_reported() { vec![release] } else { Vec::new() }
}

fn placements(placed: &OnDevice) -> Vec<Event> {
    let buffers = placed.entries_by_program();
    buffers.flat_map(|(holder, buffer)| buffer.events().map(move |event| Event { holder, ..event })).collect()
}

fn parts(mark: &str) -> Vec<Event> {
    split_mark(mark.as_bytes()).collect()
}

impl Facts {
    fn marks(&self) -> impl Iterator<Item = String> {
        let rank = self.rank.map(Fact::Rank);
        let unseen = self.unseen.iter().copied().map(Fact::Unseen);
        rank.into_iter().chain(self.ttnn.clone().map(Fact::Ttnn)).chain(unseen).map(|fact| fact.mark())
    }
}

/// How events name devices.
struct Targets<'a> {
    account: &'a Account,
    made: Vec<(u32, Pool)>,
    found: HashMap<(u32, Vec<i32>), Vec<Target>>,
}

impl Targets<'_> {
    /// The pool of these devices, else one target for each of them.
    fn of(&mut self, allocator: u32, devices: &[i32]) -> Vec<Target> {
        if let Some(found) = self.found.get(&(allocator, devices.to_vec())) {
            return found.clone();
        }
        let pool = self.pool(&Pool { allocator, chips: devices.to_vec() });
        let found = pool.map_or_else(
            || devices.iter().map(|&device| self.of_one(allocator, device)).collect(),
            |index| vec![Target::Pool(index)],
        );
        self.found.insert((allocator, devices.to_vec()), found.clone());
        found
    }

    fn of_one(&mut self, allocator: u32, device: i32) -> Target {
        let wanted = Pool { allocator, chips: vec![device] };
        let free = |made: &[(u32, Pool)]| {
            let is_free = |index: &u32| self.account.pool(*index).is_none() && made.iter().all(|(at, _)| at != index);
            (0..MAX_POOLS as u32).rev().find(is_free)
        };
        let index = self.pool(&wanted).or_else(|| {
            let index = free(&self.made).filter(|_| allocator != 0)?;
            self.made.push((index, wanted));
            Some(index)
        });
        index.map_or(Target::Device(device), Target::Pool)
    }

    fn pool(&self, wanted: &Pool) -> Option<u32> {
        let made = self.made.iter().map(|(index, pool)| (*index, pool));
        self.account.pools().chain(made).find(|(_, pool)| *pool == wanted).map(|(index, _)| index)
    }
}
