//! A program's circular buffers on a mesh: tt-metal reports each of them chip by chip, within one call. Here they are gathered,
//! so that one event stands for all chips: on 32 of them the difference between 200 events a program and six.
//!
//! What is gathered waits until something else is reported by the call, or the call ends, also by an exception. A process that
//! is killed meanwhile has not reported it yet.

use std::cell::Cell;

use ttmem_wire::{CoreRange, Event, Record, Target, flags};

use crate::{
    capture::put,
    lifecycle::Tracker,
    pool_sets,
    thread::{self, PoolBits},
};

/// Rectangles behind the first that are kept; a circular buffer that has more is reported chip by chip.
const FURTHER: usize = 3;

/// What a thread has gathered.
pub(crate) struct Gathering {
    /// The event, but for its pool.
    record: Cell<Record>,
    /// Further rectangles of its cores.
    further: Cell<[CoreRange; FURTHER]>,
    count: Cell<usize>,
    /// The arguments that it was made of.
    call: Cell<Call>,
    /// On which pools, none while nothing is gathered.
    pools: Cell<PoolBits>,
}

/// What tells a report that goes on from another: the call's own arguments, and what follows from them. Within one call of a
/// program's, tt-metal names the same set of cores by the same object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) cores: usize,
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) flags: u16,
}

impl Call {
    /// One that no other goes on from.
    pub(super) const NONE: Self = Self { cores: 0, address: 0, size: 0, flags: 0 };
}

const NOWHERE: CoreRange = CoreRange { first_x: 0, first_y: 0, last_x: 0, last_y: 0 };
const NONE: PoolBits = [0; size_of::<PoolBits>() / 8];

impl Gathering {
    /// Nothing is gathered.
    pub(crate) const fn new() -> Self {
        Self {
            record: Cell::new(Record { words: [0; ttmem_wire::RECORD_WORDS] }),
            further: Cell::new([NOWHERE; FURTHER]),
            count: Cell::new(0),
            call: Cell::new(Call::NONE),
            pools: Cell::new(NONE),
        }
    }

    /// Takes the same on one pool more, if this call's report goes on from the last.
    #[inline(always)]
    fn goes_on(&self, call: Call, pool: u32) -> bool {
        let pools: &Cell<[u64]> = &self.pools;
        let pools = pools.as_slice_of_cells();
        let Some(word) = pools.get(pool as usize / 64) else { return false };
        let bit = 1 << (pool % 64);
        let is_same = self.call.get() == call && call.cores != 0;
        if !is_same || word.get() & bit != 0 || pools.iter().all(|word| word.get() == 0) {
            return false;
        }
        word.set(word.get() | bit);
        true
    }

    /// Takes an event on one pool: with those before it, if it tells the same of another pool.
    fn take(
        &self,
        tracker: &'static Tracker,
        event: &Event,
        further: impl Iterator<Item = CoreRange>,
        call: Call,
        pool: u32,
    ) {
        let record = Event { target: Target::Pool(0), ..*event }.encode();
        let (word, bit) = (pool as usize / 64, 1 << (pool % 64));
        let mut pools = self.pools.get();
        let goes_on = pools != NONE && pools.get(word).is_some_and(|bits| bits & bit == 0);
        let mut count = 0;
        let mut ranges = [NOWHERE; FURTHER];
        for (kept, range) in ranges.iter_mut().zip(further) {
            *kept = range;
            count += 1;
        }
        let is_same = || (self.record.get(), self.count.get(), self.further.get()) == (record, count, ranges);
        if !goes_on || !is_same() {
            self.tell(tracker);
            pools = NONE;
            self.record.set(record);
            self.further.set(ranges);
            self.count.set(count);
            self.call.set(call);
        }
        if let Some(bits) = pools.get_mut(word) {
            *bits |= bit;
        }
        self.pools.set(pools);
    }

    /// Reports what was gathered.
    fn tell(&self, tracker: &'static Tracker) {
        let pools = self.pools.replace(NONE);
        if pools == NONE {
            return;
        }
        match tracker.pool_sets.find(tracker.pools, &pools) {
            Some(pool) => self.tell_on(tracker, pool),
            None => pool_sets::each(&pools).for_each(|pool| self.tell_on(tracker, pool)),
        }
    }

    fn tell_on(&self, tracker: &'static Tracker, pool: u32) {
        let mut record = self.record.get();
        record.words[3] |= u64::from(pool);
        put(tracker, &record);
        let further = self.further.get();
        for &cores in further.iter().take(self.count.get()) {
            if let Ok(event) = Event::decode(&record) {
                put(tracker, &further_cores(&event, cores).encode());
            }
        }
    }
}

/// What tells of a further rectangle of a circular buffer's cores.
pub(super) fn further_cores(event: &Event, cores: CoreRange) -> Event {
    let flags = event.flags & !flags::NEW_PLACEMENT | flags::MORE_CORES;
    Event { cores: Some(cores), flags, site: 0, ..*event }
}

/// Whether a program's call is there in which events can be gathered, and one with so many further rectangles may be.
#[inline(always)]
pub(super) fn can_take(further: usize) -> bool {
    further <= FURTHER && thread::with(|thread| thread.program.id.get()) != 0
}

/// Whether this call's report was taken with the last, of which it is the same on one pool more.
#[inline(always)]
pub(super) fn goes_on(call: Call, pool: u32) -> bool {
    thread::with(|thread| thread.program.gathering.goes_on(call, pool))
}

/// Takes an event on one pool, that this call has reported.
pub(super) fn take(
    tracker: &'static Tracker,
    event: &Event,
    further: impl Iterator<Item = CoreRange>,
    call: Call,
    pool: u32,
) {
    thread::with(|thread| thread.program.gathering.take(tracker, event, further, call, pool));
}

/// Reports what was gathered so far.
pub(super) fn tell(tracker: &'static Tracker) {
    thread::with(|thread| thread.program.gathering.tell(tracker));
}
