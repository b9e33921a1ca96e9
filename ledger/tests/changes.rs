//! What the ledger says that events changed adds up to what it says is live, after every event of a random history; the
//! other tests hold that against a slow model.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ttmem_ledger::{Change, Ledger, Life};
use ttmem_wire::{ANY_DEVICE, CoreRange, Event, EventKind, Memory, Pool, Target, flags};

fn events() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        8 => Just(EventKind::Allocate),
        6 => Just(EventKind::Free),
        4 => Just(EventKind::CbAllocate),
        1 => Just(EventKind::CbFreeAll),
        1 => Just(EventKind::DeviceClosed),
        1 => Just(EventKind::PoolReleased),
    ];
    let target = prop_oneof![
        3 => (0_i32..2).prop_map(Target::Device),
        3 => (0_u32..3).prop_map(Target::Pool),
        1 => Just(Target::Device(ANY_DEVICE)),
    ];
    let bits = prop_oneof![
        6 => Just(0),
        1 => Just(flags::PREALLOCATED),
        1 => Just(flags::ADDRESS_UNKNOWN),
        1 => Just(flags::NEW_PLACEMENT),
        1 => Just(flags::MORE_CORES),
        1 => Just(flags::GLOBALLY_ALLOCATED),
    ];
    let memory = prop_oneof![4 => Just(Some(Memory::Dram)), 2 => Just(Some(Memory::L1)), 1 => Just(None)];
    (kind, target, bits, memory, 0_u64..4, 1_u64..20, 0_u64..3).prop_map(
        |(kind, target, flags, memory, address, size, holder)| {
            let is_program = matches!(kind, EventKind::CbAllocate | EventKind::CbFreeAll);
            let x = size as u16 % 3;
            Event {
                kind,
                target,
                flags,
                memory: if is_program { Some(Memory::OF_PROGRAMS[(holder + address) as usize % 3]) } else { memory },
                address,
                size,
                holder,
                cores: is_program.then_some(CoreRange { first_x: x, first_y: 0, last_x: 2, last_y: 1 }),
                ..Event::default()
            }
        },
    )
}

/// What is live, from changes alone.
#[derive(Default)]
struct Folded {
    lives: Vec<Life>,
    footprints: BTreeMap<(i32, Memory), u64>,
}

impl Folded {
    fn apply(&mut self, change: &Change) -> Result<(), TestCaseError> {
        let of = |life: &Life| (life.region.device, life.region.memory, life.allocator, life.program);
        let is_same = |one: &Life, other: &Life| {
            of(one) == of(other)
                && (one.region.address, one.region.allocated_at_ticks)
                    == (other.region.address, other.region.allocated_at_ticks)
        };
        match change {
            Change::Born(life) => self.lives.push(*life),
            Change::Widened { life, before } => {
                let known = self.lives.iter_mut().find(|known| is_same(known, life) && known.region.size == *before);
                prop_assert!(known.is_some(), "widened and never born: {life:?}");
                known.into_iter().for_each(|known| known.region.size = life.region.size);
            }
            Change::Gone(life) => {
                let at =
                    self.lives.iter().position(|known| is_same(known, life) && known.region.size == life.region.size);
                prop_assert!(at.is_some(), "gone and never born: {life:?}");
                if let Some(at) = at {
                    self.lives.remove(at);
                }
            }
            Change::Footprint { device, memory, bytes } => {
                self.footprints.insert((*device, *memory), *bytes);
            }
        }
        Ok(())
    }

    fn named(lives: &[Life]) -> Vec<(i32, Memory, u32, u64, u64, u64, u64)> {
        let name = |life: &Life| {
            let region = &life.region;
            let what = (region.device, region.memory, life.allocator, life.program);
            (what.0, what.1, what.2, what.3, region.address, region.size, region.allocated_at_ticks)
        };
        let mut named: Vec<_> = lives.iter().map(name).collect();
        named.sort_unstable();
        named
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn changes_add_up_to_what_is_live(trace in prop::collection::vec(events(), 1..150)) {
        let pools = [(1, vec![0, 1]), (2, vec![1])].map(|(allocator, chips)| Pool { allocator, chips });
        let (mut ledger, mut quiet) = (Ledger::new(), Ledger::new());
        ledger.note_changes();
        let (mut folded, mut changes) = (Folded::default(), Vec::new());
        for (ticks, event) in trace.into_iter().enumerate() {
            let event = Event { ticks: ticks as u64, ..event };
            let pool = match event.target {
                Target::Pool(index) => pools.get(index as usize),
                Target::Device(_) => None,
            };
            ledger.apply(&event, pool);
            quiet.apply(&event, pool);
            ledger.take_changes(&mut changes);
            for change in &changes {
                folded.apply(change)?;
            }
            prop_assert_eq!(Folded::named(&folded.lives), Folded::named(&ledger.lives()), "after {:?}", event);
            for (device, memory, totals) in ledger.totals() {
                let bytes = match memory {
                    _ if memory.is_of_programs() => folded.footprints.get(&(device, memory)).copied().unwrap_or(0),
                    _ => folded
                        .lives
                        .iter()
                        .filter(|life| (life.region.device, life.region.memory) == (device, memory))
                        .map(|life| life.region.size)
                        .sum(),
                };
                prop_assert_eq!(bytes, totals.live_bytes, "{} of {} after {:?}", memory, device, event);
            }
            prop_assert_eq!(ledger.totals(), quiet.totals());
        }
        quiet.take_changes(&mut changes);
        prop_assert!(changes.is_empty(), "nobody asked");
    }
}
