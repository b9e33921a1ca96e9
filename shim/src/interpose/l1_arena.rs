//! L1 of persistent arenas: prefetcher pipes live there, across programs. An allocator has its arena inside itself, and hands out the
//! arena's memory from the bottom of L1, below what programs place, at one address on each core of a set.

use std::ffi::c_void;

use ttmem_wire::{Event, EventKind, Memory, OnCore, Part, Target};

use super::{
    build, call_real, hook,
    metal::{Metal, Object},
    refusals,
    service_cores::{hand_out, take_back},
    watched, witnesses,
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
        let mut allocation = Allocation { id: 0, address: 0, size: 0 };
        let mut real = || {
            allocation = call_real!(
                ALLOCATE,
                fn(*mut c_void, *const c_void, u64, u64) -> Allocation,
                (arena, cores, size, alignment),
                else return 0
            );
            1
        };
        let Some(asked) = Asked::new(arena, size) else {
            real();
            return allocation;
        };
        if watched::call_with(&mut real, &|thrown| refusals::report(asked.tracker, asked.request, thrown)) != 0 {
            asked.granted(arena, cores, allocation);
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

/// What is asked for of an arena.
struct Asked {
    tracker: &'static Tracker,
    metal: &'static Metal,
    request: Event,
}

impl Asked {
    #[cold]
    fn new(arena: Object, size: u64) -> Option<Self> {
        let (tracker, metal) = witnesses()?;
        let Some(pool) = tracker.pool_cache.find_around(arena as usize) else {
            tracker.producers.count_dropped();
            build::hides(
                Part::PersistentL1,
                "L1 of a persistent arena is lost: no allocator that was seen at work has this arena",
            );
            return None;
        };
        let request = Event {
            kind: EventKind::OutOfMemory,
            memory: Some(Memory::L1),
            target: Target::Pool(pool),
            size,
            site: capture::site(tracker),
            ..Event::default()
        };
        Some(Self { tracker, metal, request })
    }

    fn granted(self, arena: Object, cores: Object, allocation: Allocation) {
        let Allocation { id, address, size } = allocation;
        // The banks of the allocator begin above.
        let size_per_bank = Some(0);
        let event = Event { kind: EventKind::Allocate, address, size, size_per_bank, ..self.request };
        let on = |core: OnCore, size: u64| HandedOut {
            arena: (arena as usize, id),
            event: Event { extra: core.code(), size, ..event },
        };
        let ranges = self.metal.core_ranges(cores);
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
        hand_out(self.tracker, all);
    }
}
