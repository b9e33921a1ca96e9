//! Random traces of events.
#![allow(dead_code, reason = "each test file uses a part")]

use proptest::prelude::*;
use ttmem_wire::{CoreRange, Event, EventKind, Memory, Pool, Target, flags};

/// Device and memory.
pub(crate) type Place = (i32, Memory);

/// Columns and rows of cores that programs place on; the slow ledger knows them too.
pub(crate) const CORES: u16 = 3;

/// Events of one trace. Short enough that a failure is soon small, long enough for a close, a reopen and late frees.
pub(crate) const TRACE: u64 = 120;

pub(crate) fn pools() -> [Pool; 4] {
    [(1, vec![0, 1, 2]), (2, vec![2]), (1, vec![1]), (0, vec![0, 1])]
        .map(|(allocator, chips)| Pool { allocator, chips })
}

pub(crate) fn events() -> impl Strategy<Value = Event> {
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
        1 => Just(flags::FOR_PROGRAM),
    ];
    let side = || (0..CORES, 0..CORES).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let cores = prop::option::of((side(), side()).prop_map(|((first_x, last_x), (first_y, last_y))| CoreRange {
        first_x,
        first_y,
        last_x,
        last_y,
    }));
    let bytes = (0_u64..32, prop::option::of(0_u64..9), 0_u64..5, any::<bool>());
    let kind_of_program = prop::sample::select(Memory::OF_PROGRAMS.to_vec());
    // Ticks of several threads are not quite in order.
    (kind, target, (memory, kind_of_program), 0_u64..6, flag, bytes, 0_u64..3, cores).prop_map(
        |(
            kind,
            target,
            (memory, kind_of_program),
            address,
            flags,
            (size, size_per_bank, holder, names_memory),
            ticks,
            cores,
        )| {
            let is_program = matches!(kind, EventKind::CbAllocate | EventKind::CbFreeAll);
            let memory = if is_program { kind_of_program } else { memory };
            let memory = (kind != EventKind::Free || names_memory).then_some(memory);
            let event = Event { kind, target, memory, address, size, size_per_bank, holder, ..Event::default() };
            Event { flags, ticks, cores, ..event }
        },
    )
}

pub(crate) fn cases() -> u32 {
    let steps = std::env::var("TTMEM_MODEL_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(20_000);
    u32::try_from(u64::div_ceil(steps, TRACE / 2)).unwrap_or(u32::MAX)
}
