//! Random traces against a slow and obvious model of the rules: sums and live regions equal after every event.

use proptest::prelude::*;
use ttmem_ledger::Ledger;
use ttmem_wire::{ANY_DEVICE, Event, EventKind, Memory, Pool, Target, flags};

/// A region in the model: holders by id, 0 for one without.
#[derive(Clone, Debug)]
struct Held {
    device: i32,
    memory: Memory,
    address: u64,
    size: u64,
    per_bank: Option<u64>,
    holders: Vec<u64>,
    allocator: u32,
    ticks: u64,
}

#[derive(Default)]
struct Model {
    live: Vec<Held>,
    released: Vec<(i32, Memory, u64, u32, usize)>,
    placed: Vec<(i32, u64, u64)>,
    unmatched: u64,
    late: u64,
}

impl Model {
    fn apply(&mut self, event: &Event, pool: &Pool) {
        match event.target {
            Target::Device(device) => self.apply_on(event, device, 0, true),
            Target::Pool(_) => pool.chips.iter().for_each(|&chip| self.apply_on(event, chip, pool.allocator, false)),
        }
    }

    fn apply_on(&mut self, event: &Event, device: i32, allocator: u32, named: bool) {
        match event.kind {
            EventKind::Allocate => self.allocate(event, device, allocator),
            EventKind::Free => self.free(event, (device != ANY_DEVICE || !named).then_some(device), allocator),
            EventKind::CbAllocate => self.placed.push((device, event.address, event.size)),
            EventKind::CbFreeAll => self.placed.retain(|placed| placed.0 != device && device != ANY_DEVICE),
            EventKind::DeviceClosed => {
                self.placed.retain(|placed| placed.0 != device);
                self.release(|held| held.device == device);
            }
            EventKind::PoolReleased => self.release(|held| held.device == device && held.allocator == allocator),
            _ => {}
        }
    }

    fn allocate(&mut self, event: &Event, device: i32, allocator: u32) {
        let (memory, address) = (event.memory.unwrap(), event.address);
        let mut allocator = allocator;
        if event.flags & flags::PREALLOCATED != 0
            && let Some(over) = self.youngest(Some(device), Some(memory), address)
        {
            allocator = self.live[over].allocator;
        }
        let same = |held: &&mut Held| {
            (held.device, held.memory, held.address, held.allocator) == (device, memory, address, allocator)
        };
        if let Some(held) = self.live.iter_mut().find(same) {
            if event.holder == 0 || !held.holders.contains(&event.holder) {
                held.holders.push(event.holder);
            }
            held.size = held.size.max(event.size);
            held.per_bank = held.per_bank.max(event.size_per_bank);
            return;
        }
        self.released.retain(|&(on, of, at, by, _)| (on, of, at, by) != (device, memory, address, allocator));
        self.live.push(Held {
            device,
            memory,
            address,
            size: event.size,
            per_bank: event.size_per_bank,
            holders: vec![event.holder],
            allocator,
            ticks: event.ticks,
        });
    }

    fn youngest(&self, device: Option<i32>, memory: Option<Memory>, address: u64) -> Option<usize> {
        (0..self.live.len())
            .filter(|&index| {
                let held = &self.live[index];
                device.is_none_or(|device| device == held.device)
                    && memory.is_none_or(|memory| memory == held.memory)
                    && held.address == address
            })
            .max_by_key(|&index| {
                let held = &self.live[index];
                (held.ticks, std::cmp::Reverse((held.device, held.memory, held.allocator)))
            })
    }

    fn free(&mut self, event: &Event, device: Option<i32>, allocator: u32) {
        let exact = device.is_some() && event.memory.is_some() && event.flags & flags::PREALLOCATED == 0;
        let youngest = if exact {
            self.live.iter().position(|held| {
                (Some(held.device), Some(held.memory), held.address, held.allocator)
                    == (device, event.memory, event.address, allocator)
            })
        } else {
            self.youngest(device, event.memory, event.address)
        };
        let fits = |on: i32, of: Memory, at: u64, by: u32| {
            device.is_none_or(|device| device == on)
                && event.memory.is_none_or(|memory| memory == of)
                && at == event.address
                && (!exact || by == allocator)
        };
        if let Some(index) = youngest {
            let holders = &mut self.live[index].holders;
            let wanted = holders.iter().position(|&id| id == event.holder);
            let anonymous = holders.iter().position(|&id| id == 0);
            let any = if event.holder == 0 { Some(0) } else { None };
            match wanted.or(anonymous).or(any) {
                Some(at) => drop(holders.remove(at)),
                None => self.unmatched += 1,
            }
            if holders.is_empty() {
                self.live.remove(index);
            }
            return;
        }
        match self.released.iter().position(|&(on, of, at, by, _)| fits(on, of, at, by)) {
            Some(index) => {
                self.late += 1;
                self.released[index].4 -= 1;
                if self.released[index].4 == 0 {
                    self.released.remove(index);
                }
            }
            None => self.unmatched += 1,
        }
    }

    fn release(&mut self, chosen: impl Fn(&Held) -> bool) {
        for held in self.live.iter().filter(|held| chosen(held)) {
            self.released.push((held.device, held.memory, held.address, held.allocator, held.holders.len()));
        }
        self.released.sort_by_key(|&(device, memory, address, allocator, _)| (device, memory, allocator, address));
        self.live.retain(|held| !chosen(held));
    }

    fn footprint(&self, device: i32) -> u64 {
        let mut bitmap = [false; 64];
        for &(_, address, size) in self.placed.iter().filter(|placed| placed.0 == device) {
            bitmap[address as usize..(address + size) as usize].fill(true);
        }
        bitmap.iter().filter(|&&bit| bit).count() as u64
    }
}

fn pools() -> [Pool; 3] {
    [(1, vec![0, 1, 2]), (2, vec![2]), (1, vec![1])].map(|(allocator, chips)| Pool { allocator, mesh: None, chips })
}

fn events() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        8 => Just(EventKind::Allocate),
        6 => Just(EventKind::Free),
        2 => Just(EventKind::CbAllocate),
        1 => Just(EventKind::CbFreeAll),
        1 => Just(EventKind::DeviceClosed),
        1 => Just(EventKind::PoolReleased),
    ];
    let target = prop_oneof![(-1_i32..4).prop_map(Target::Device), (0_u32..3).prop_map(Target::Pool)];
    let memory = prop_oneof![Just(Memory::Dram), Just(Memory::L1)];
    let bytes = (0_u64..32, prop::option::of(0_u64..9), 0_u64..4, any::<bool>(), 0_u16..5);
    (kind, target, memory, 0_u64..6, bytes).prop_map(|(kind, target, memory, address, bytes)| {
        let (size, size_per_bank, holder, names_memory, preallocated) = bytes;
        let flags = if preallocated == 0 { flags::PREALLOCATED } else { 0 };
        let memory = (kind != EventKind::Free || names_memory).then_some(memory);
        Event { kind, target, memory, address, size, size_per_bank, holder, flags, ..Event::default() }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn the_ledger_is_the_model_at_every_step(trace in prop::collection::vec(events(), 1..120)) {
        let (mut ledger, mut model) = (Ledger::new(), Model::default());
        for (step, event) in trace.into_iter().enumerate() {
            let event = Event { ticks: step as u64, ..event };
            let pool = match event.target {
                Target::Pool(index) => pools()[index as usize].clone(),
                Target::Device(_) => Pool::default(),
            };
            ledger.apply(&event, Some(&pool));
            model.apply(&event, &pool);
            for (device, memory, totals) in ledger.totals() {
                if memory == Memory::CircularBuffer {
                    prop_assert_eq!(totals.live_bytes, model.footprint(device), "step {}: {:?}", step, event);
                    continue;
                }
                let here = || model.live.iter().filter(|held| (held.device, held.memory) == (device, memory));
                prop_assert_eq!(totals.live_bytes, here().map(|held| held.size).sum::<u64>(), "step {}", step);
                prop_assert_eq!(totals.live_buffers, here().count() as u64, "step {}", step);
                let per_bank: Option<u64> = here().map(|held| held.per_bank).sum();
                prop_assert_eq!(totals.live_bytes_per_bank, per_bank, "step {}", step);
            }
            let holders: u64 = ledger
                .live()
                .iter()
                .filter(|region| region.memory != Memory::CircularBuffer)
                .map(|region| u64::from(region.holders))
                .sum();
            prop_assert_eq!(holders, model.live.iter().map(|held| held.holders.len() as u64).sum::<u64>());
            prop_assert_eq!(ledger.anomalies().unmatched_frees, model.unmatched, "step {}: {:?}", step, event);
            prop_assert_eq!(ledger.anomalies().late_frees, model.late, "step {}: {:?}", step, event);
        }
    }
}
