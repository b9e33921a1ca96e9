//! L1 of persistent arenas: prefetcher pipes live there, across programs. An allocator has its arena inside itself, and hands out the
//! arena's memory from the bottom of L1, below what programs place, at one address on each core of a set.

use std::ffi::c_void;

use ttmem_wire::{Event, EventKind, Memory, OnCore, Part, Target};

use super::{
    build, call_real, hook,
    metal::{Metal, Object},
    service_cores::{hand_out, take_back},
    witnesses,
};
use crate::{capture, fired, fork_guard, past_allocators::HandedOut, tracker::Tracker};

/// `PersistentL1Arena::Allocation`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Allocation {
    id: u64,
    address: u64,
    size: u64,
}

hook! {
    /// `PersistentL1Arena::allocate(CoreRangeSet const&, u64 size, u64 alignment)`.
    ALLOCATE = "_ZN2tt8tt_metal17PersistentL1Arena8allocateERKNS0_12CoreRangeSetEmm";
    fn allocate(arena: *mut c_void, cores: *const c_void, size: u64, alignment: u64) -> Allocation {
        fired::note(&fired::ANY);
        let allocation = call_real!(
            ALLOCATE,
            fn(*mut c_void, *const c_void, u64, u64) -> Allocation,
            (arena, cores, size, alignment),
            else return Allocation { id: 0, address: 0, size: 0 }
        );
        if let Some((tracker, metal)) = witnesses() {
            note(tracker, metal, arena, cores, allocation);
        }
        allocation
    }
}

hook! {
    /// `PersistentL1Arena::deallocate(u64 id)`.
    DEALLOCATE = "_ZN2tt8tt_metal17PersistentL1Arena10deallocateEm";
    fn deallocate(arena: *mut c_void, id: u64) {
        fired::note(&fired::ANY);
        // Before the real call: as soon as it has begun, another thread may be given the same bytes.
        if let Some(tracker) = fork_guard::tracker() {
            take_back(tracker, |one| one.arena == (arena as usize, id));
        }
        call_real!(DEALLOCATE, fn(*mut c_void, u64) -> (), (arena, id), else ());
    }
}

hook! {
    /// `PersistentL1Arena::~PersistentL1Arena()`: the allocator of a sub-device goes while its device is open.
    DESTROY = "_ZN2tt8tt_metal17PersistentL1ArenaD1Ev";
    fn destroy(arena: *mut c_void) {
        fired::note(&fired::ANY);
        if let Some(tracker) = fork_guard::tracker() {
            take_back(tracker, |one| one.arena.0 == arena as usize);
        }
        call_real!(DESTROY, fn(*mut c_void) -> (), (arena), else ());
    }
}

#[cold]
fn note(tracker: &'static Tracker, metal: &Metal, arena: Object, cores: Object, allocation: Allocation) {
    let Some(pool) = tracker.pool_cache.find_around(arena as usize) else {
        tracker.producers.count_dropped();
        build::hides(
            Part::PersistentL1,
            "L1 of a persistent arena is lost: no allocator that was seen at work has this arena",
        );
        return;
    };
    let Allocation { id, address, size } = allocation;
    let event = Event {
        kind: EventKind::Allocate,
        memory: Some(Memory::L1),
        target: Target::Pool(pool),
        address,
        size,
        // The banks of the allocator begin above.
        size_per_bank: Some(0),
        site: capture::site(tracker),
        ..Event::default()
    };
    let on = |core: OnCore, size: u64| HandedOut {
        arena: (arena as usize, id),
        event: Event { extra: core.code(), size, ..event },
    };
    let ranges = metal.core_ranges(cores);
    let each = (0..ranges.len()).filter_map(|index| ranges.get(index));
    let mut all: Vec<HandedOut> = each
        .flat_map(|range| {
            (range.first_y..=range.last_y).flat_map(move |y| (range.first_x..=range.last_x).map(move |x| (x, y)))
        })
        .map(|(x, y)| on(OnCore::At { x, y }, size))
        .collect();
    if all.is_empty() {
        all.push(on(OnCore::Unknown, size.saturating_mul(u64::from(ranges.num_cores))));
    }
    hand_out(tracker, all);
}
