//! A program that runs a loop: it allocates, frees, keeps, and counts what it leaks.

use std::collections::BTreeMap;

use ttmem_ledger::Ledger;
use ttmem_wire::{Event, EventKind, Memory, Target, flags};

/// Numbers that are the same for each seed: splitmix64.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF0)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// From 0 to 1.
    pub(crate) fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, of: f64) -> bool {
        self.part() < of
    }

    /// Exponentially distributed, at least 1.
    pub(crate) fn lifetime(&mut self, mean: f64) -> u64 {
        (-(1.0 - self.part()).ln() * mean).ceil().max(1.0) as u64
    }
}

/// What a program allocated: device, address.
pub(crate) type Id = (i32, u64);

/// What a source leaked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaked {
    /// The iterations whose allocations were kept, after the warm-up, with bytes.
    pub(crate) iterations: BTreeMap<u64, u64>,
    /// Ticks at the end of the first and of the last of them.
    pub(crate) ticks: Option<(u64, u64)>,
}

#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) ledger: Ledger,
    pub(crate) random: Random,
    pub(crate) ticks: u64,
    pub(crate) iteration: u64,
    pub(crate) iterations: u64,
    with_marks: bool,
    next: u64,
    /// By call site.
    pub(crate) leaked: BTreeMap<u32, Leaked>,
    /// Ticks lie up to so far behind: threads.
    pub(crate) disorder: u64,
    /// What the program has live, each with the iteration in whose end it goes.
    later: BTreeMap<u64, Vec<Id>>,
}

impl Program {
    pub(crate) fn new(seed: u64, iterations: u64, with_marks: bool) -> Self {
        Self {
            ledger: Ledger::new(),
            random: Random::new(seed),
            ticks: 1 << 40,
            iteration: 0,
            iterations,
            with_marks,
            next: 0,
            leaked: BTreeMap::new(),
            disorder: 0,
            later: BTreeMap::new(),
        }
    }

    pub(crate) fn allocate(&mut self, site: u32, size: u64) -> Id {
        self.allocate_on(0, site, size, 0)
    }

    pub(crate) fn allocate_on(&mut self, device: i32, site: u32, size: u64, flags: u16) -> Id {
        self.next += 1;
        self.ticks += 1 + self.random.below(20);
        let behind = self.random.below(self.disorder + 1);
        let event = Event {
            kind: EventKind::Allocate,
            memory: Some(Memory::Dram),
            target: Target::Device(device),
            ticks: self.ticks - behind,
            address: self.next << 12,
            size,
            site,
            flags,
            holder: self.next,
            ..Event::default()
        };
        self.ledger.apply(&event, None);
        (device, self.next)
    }

    /// For the program cache.
    pub(crate) fn allocate_cached(&mut self, site: u32, size: u64) -> Id {
        self.allocate_on(0, site, size, flags::FOR_PROGRAM)
    }

    pub(crate) fn free(&mut self, (device, number): Id) {
        self.ticks += 1 + self.random.below(10);
        let event = Event {
            kind: EventKind::Free,
            memory: Some(Memory::Dram),
            target: Target::Device(device),
            ticks: self.ticks,
            address: number << 12,
            holder: number,
            ..Event::default()
        };
        self.ledger.apply(&event, None);
    }

    /// Allocated and freed at once.
    pub(crate) fn temporary(&mut self, site: u32, size: u64) {
        let id = self.allocate(site, size);
        self.free(id);
    }

    /// Lives for so many iterations beyond this one.
    pub(crate) fn allocate_for(&mut self, site: u32, size: u64, lifetime: u64) {
        let id = self.allocate(site, size);
        self.later.entry(self.iteration + lifetime).or_default().push(id);
    }

    pub(crate) fn leak(&mut self, site: u32, size: u64) {
        self.leak_on(0, site, size);
    }

    pub(crate) fn leak_on(&mut self, device: i32, site: u32, size: u64) {
        self.allocate_on(device, site, size, 0);
        self.note_leak(site, size);
    }

    /// What was allocated before is not freed where it should be.
    pub(crate) fn note_leak(&mut self, site: u32, size: u64) {
        let leaked = self.leaked.entry(site).or_default();
        // The first interval between marks is a warm-up as well.
        if self.iteration >= 2 {
            *leaked.iterations.entry(self.iteration).or_default() += size;
            let first = leaked.ticks.map_or(self.ticks, |(first, _)| first);
            leaked.ticks = Some((first, self.ticks));
        }
    }

    /// The end of an iteration.
    pub(crate) fn end_iteration(&mut self) {
        for id in self.later.remove(&self.iteration).unwrap_or_default() {
            self.free(id);
        }
        self.ticks += 500 + self.random.below(1000);
        if self.random.chance(0.02) {
            self.ticks += 5_000;
        }
        if self.with_marks {
            self.ledger.mark(&format!("step {}", self.iteration));
        }
        self.iteration += 1;
    }
}
