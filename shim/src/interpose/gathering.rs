//! A program's circular buffers on a mesh: tt-metal reports each of them chip by chip, within one call. Here they are gathered,
//! so that one event stands for all chips: on 32 of them the difference between 190 events a program and six.
//!
//! What is gathered waits until something else is reported by the call, or the call ends, also by an exception. A process that
//! is killed meanwhile has not reported it yet.

use std::cell::Cell;

use ttmem_wire::{CoreRange, Event, EventKind, Memory, Target, flags};

use super::program::{self, Program};
use crate::{
    capture::{Site, record},
    pool_sets::{self, NO_POOLS, PoolBits},
    tracker::Tracker,
};

/// Rectangles of cores that are kept; a circular buffer that has more is reported chip by chip.
const RANGES: usize = 3;

/// What a thread has gathered: few bytes, since a library that is loaded by dlopen finds hardly any room for words of a
/// thread. The program and the call site are the thread's own words.
pub(crate) struct Gathering {
    report: Cell<Report>,
    ranges: Cell<[CoreRange; RANGES]>,
    /// On which pools, none while nothing is gathered.
    pools: Cell<PoolBits>,
}

/// One report, but for the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// The set of cores. Within one call of a program's, tt-metal names the same by the same object. 0 where there is none.
    pub(super) cores: usize,
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) num_cores: u32,
    pub(super) flags: u16,
    pub(super) is_free: bool,
    /// How many rectangles it has.
    pub(super) ranges: u8,
}

impl Report {
    /// The program frees what it has.
    pub(super) const FREE: Self =
        Self { cores: 0, address: 0, size: 0, num_cores: 0, flags: 0, is_free: true, ranges: 0 };

    /// The event of a program at a call site, on one pool.
    pub(super) fn event(&self, target: Target, program: &Program, cores: Option<CoreRange>) -> Event {
        Event {
            kind: if self.is_free { EventKind::CbFreeAll } else { EventKind::CbAllocate },
            memory: Some(Memory::CircularBuffer),
            flags: self.flags,
            target,
            extra: self.num_cores,
            address: self.address,
            size: self.size,
            holder: program.id.get(),
            site: if self.is_free { 0 } else { program.site.get().unwrap_or(0) },
            cores,
            ..Event::default()
        }
    }
}

const NOWHERE: CoreRange = CoreRange { first_x: 0, first_y: 0, last_x: 0, last_y: 0 };

impl Gathering {
    /// Nothing is gathered.
    pub(crate) const fn new() -> Self {
        Self { report: Cell::new(Report::FREE), ranges: Cell::new([NOWHERE; RANGES]), pools: Cell::new(NO_POOLS) }
    }

    /// Adds a pool, if there is one already, and not this one.
    #[inline(always)]
    fn add(&self, pool: u32) -> bool {
        self.pools.get() != NO_POOLS && pool_sets::insert(&self.pools, pool)
    }
}

/// Whether this report, whose cores were not looked at, was taken with the last, of which it is the same on one pool more.
#[inline(always)]
pub(super) fn goes_on(cores: usize, address: u64, size: u64, flags: u16, pool: u32) -> bool {
    program::with(|program| {
        let gathering = &program.gathering;
        let last = gathering.report.get();
        (last.cores, last.address, last.size, last.flags) == (cores, address, size, flags)
            && cores != 0
            && gathering.add(pool)
    })
}

/// Takes a report on one pool; false where it has to be told by itself, and what was gathered was told.
pub(super) fn take(
    tracker: &'static Tracker,
    mut report: Report,
    ranges: impl Iterator<Item = CoreRange>,
    pool: u32,
) -> bool {
    program::with(|program| {
        let gathering = &program.gathering;
        let mut kept = [NOWHERE; RANGES];
        let mut count = 0;
        for range in ranges {
            let Some(place) = kept.get_mut(count) else {
                tell_of(program, tracker);
                return false;
            };
            *place = range;
            count += 1;
        }
        report.ranges = count as u8;
        let is_same =
            Report { cores: report.cores, ..gathering.report.get() } == report && gathering.ranges.get() == kept;
        if is_same && gathering.add(pool) {
            return true;
        }
        tell_of(program, tracker);
        if program.id.get() == 0 || !pool_sets::insert(&gathering.pools, pool) {
            return false;
        }
        gathering.report.set(report);
        gathering.ranges.set(kept);
        true
    })
}

/// Whether this thread has gathered something that is not reported yet.
#[inline(always)]
pub(super) fn is_any() -> bool {
    program::with(|program| program.gathering.pools.get() != NO_POOLS)
}

/// Reports what this thread has gathered so far.
pub(super) fn tell(tracker: &'static Tracker) {
    program::with(|program| tell_of(program, tracker));
}

fn tell_of(program: &Program, tracker: &'static Tracker) {
    let pools = program.gathering.pools.replace(NO_POOLS);
    if pools == NO_POOLS {
        return;
    }
    let report = program.gathering.report.get();
    let ranges = program.gathering.ranges.get();
    let ranges = ranges.get(..report.ranges.into()).unwrap_or(&[]);
    let tell_on = |pool| {
        let event = report.event(Target::Pool(pool), program, ranges.first().copied());
        tell_each(tracker, event, ranges.iter().skip(1).copied());
    };
    match tracker.pool_sets.find(tracker.pools, &pools) {
        Some(pool) => tell_on(pool),
        None => pool_sets::each(&pools).for_each(tell_on),
    }
}

/// Reports an event, and one for each further rectangle of its cores. In one place, since it is found in no cache: what a program
/// places is reported once in its life.
pub(super) fn tell_each(tracker: &'static Tracker, mut event: Event, mut further: impl Iterator<Item = CoreRange>) {
    loop {
        record(tracker, event, Site::Given);
        let Some(cores) = further.next() else { return };
        let flags = event.flags & !flags::NEW_PLACEMENT | flags::MORE_CORES;
        event = Event { cores: Some(cores), flags, site: 0, ..event };
    }
}
