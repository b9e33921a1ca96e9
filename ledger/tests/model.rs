//! Random traces against a slow and obvious model of the rules: all that a ledger tells is equal after every event.
//!
//! `TTMEM_MODEL_STEPS` sets how many events are tried in all.

mod slow;

use proptest::prelude::*;
use slow::Slow;
use ttmem_ledger::Ledger;
use ttmem_wire::{CoreRange, Event, EventKind, Memory, Pool, Target, flags};

/// Events of one trace. Short enough that a failure is soon small, long enough for a close, a reopen and late frees.
const TRACE: u64 = 120;

fn pools() -> [Pool; 4] {
    [(1, vec![0, 1, 2]), (2, vec![2]), (1, vec![1]), (0, vec![0, 1])].map(|(allocator, chips)| Pool {
        allocator,
        mesh: None,
        chips,
    })
}

fn events() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        12 => Just(EventKind::Allocate),
        10 => Just(EventKind::Free),
        3 => Just(EventKind::CbAllocate),
        1 => Just(EventKind::CbFreeAll),
        1 => Just(EventKind::DeviceClosed),
        1 => Just(EventKind::PoolReleased),
        1 => Just(EventKind::OutOfMemory),
    ];
    let target = prop_oneof![(-1_i32..4).prop_map(Target::Device), (0_u32..4).prop_map(Target::Pool)];
    let memory = prop_oneof![Just(Memory::Dram), Just(Memory::L1)];
    let flag = prop_oneof![
        6 => Just(0),
        2 => Just(flags::PREALLOCATED),
        1 => Just(flags::ADDRESS_UNKNOWN),
        1 => Just(flags::GLOBALLY_ALLOCATED),
        1 => Just(flags::MORE_CORES),
        1 => Just(flags::NEW_PLACEMENT),
    ];
    let side = || (0..slow::CORES, 0..slow::CORES).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let cores = prop::option::of((side(), side()).prop_map(|((first_x, last_x), (first_y, last_y))| CoreRange {
        first_x,
        first_y,
        last_x,
        last_y,
    }));
    let bytes = (0_u64..32, prop::option::of(0_u64..9), 0_u64..5, any::<bool>());
    // Ticks of several threads are not quite in order.
    (kind, target, memory, 0_u64..6, flag, bytes, 0_u64..3, cores).prop_map(
        |(kind, target, memory, address, flags, (size, size_per_bank, holder, names_memory), ticks, cores)| {
            let memory = (kind != EventKind::Free || names_memory).then_some(memory);
            let event = Event { kind, target, memory, address, size, size_per_bank, holder, ..Event::default() };
            Event { flags, ticks, cores, ..event }
        },
    )
}

fn cases() -> u32 {
    let steps = std::env::var("TTMEM_MODEL_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(20_000);
    u32::try_from(u64::div_ceil(steps, TRACE / 2)).unwrap_or(u32::MAX)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_ledger_is_the_model_at_every_step(trace in prop::collection::vec(events(), 1..TRACE as usize)) {
        let (mut ledger, mut slow) = (Ledger::new(), Slow::default());
        for (step, event) in trace.into_iter().enumerate() {
            let event = Event { ticks: step as u64 + event.ticks, ..event };
            let pool = match event.target {
                Target::Pool(index) => Some(&pools()[index as usize]).cloned(),
                Target::Device(_) => None,
            };
            ledger.apply(&event, pool.as_ref());
            slow.apply(&event, pool.as_ref());
            prop_assert_eq!(ledger.totals(), slow.totals(), "sums after step {}: {:?}", step, event);
            let live: Vec<slow::Row> = ledger.live().iter().map(slow::row).collect();
            prop_assert_eq!(live, slow.live(), "live after step {}: {:?}", step, event);
            prop_assert_eq!(ledger.anomalies(), slow.anomalies, "anomalies after step {}: {:?}", step, event);
            prop_assert_eq!(ledger.released_at_close().count, slow.released, "released after step {}", step);
        }
    }
}
