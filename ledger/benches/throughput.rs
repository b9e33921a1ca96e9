//! Events a second on one core, and bytes a live region, with 100,000 regions live.
//!
//!     cargo bench -p ttmem-ledger

#![forbid(unsafe_code)]

use std::{hint::black_box, time::Instant};

use ttmem_ledger::{Account, Ledger};
use ttmem_wire::{ANY_DEVICE, CoreRange, Event, EventKind, Memory, Pool, Target, flags};

const LIVE: u64 = 100_000;
const EVENTS: u64 = 10_000_000;
const ROUNDS: usize = 5;
const FIRST: &str = "hooks, one device";

/// Resident bytes of this process: of use before anything of this size was freed, so for the first ledger alone.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.as_deref().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.expect("a Linux /proc") * 4096
}

/// How the events name what they mean.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// Interposed calls: memory, bytes a bank and identity known.
    Hooks,
    /// The C ABI: frees name neither memory nor holder.
    CAbi,
    /// The C ABI, and frees name no device either.
    CAbiAnyDevice,
}

/// Addresses as an allocator gives them: multiples of a page, in no order.
fn event(source: Source, target: Target, number: u64, kind: EventKind) -> Event {
    let bare =
        Event { kind, target, address: (number.wrapping_mul(0x9E37_79B9) & 0xFF_FFFF) << 11, ..Event::default() };
    match (source, kind) {
        (Source::CAbi, EventKind::Free) => bare,
        (Source::CAbiAnyDevice, EventKind::Free) => Event { target: Target::Device(ANY_DEVICE), ..bare },
        (Source::CAbi | Source::CAbiAnyDevice, _) => {
            Event { memory: Some(Memory::Dram), size: 2048, ticks: number, ..bare }
        }
        (Source::Hooks, _) => Event {
            memory: Some(Memory::Dram),
            size: 2048,
            size_per_bank: Some(256),
            holder: number + 1,
            ticks: number,
            ..bare
        },
    }
}

fn measure(name: &str, source: Source, pool: Option<&Pool>) {
    measure_in(name, source, pool, false);
}

/// `in_window`: while a window is open over all of it.
fn measure_in(name: &str, source: Source, pool: Option<&Pool>, in_window: bool) {
    let chips = pool.map_or(1, |pool| pool.chips.len() as u64);
    let target = if pool.is_some() { Target::Pool(0) } else { Target::Device(0) };
    let before = resident();
    let mut ledger = Ledger::new();
    if in_window {
        ledger.open_window(false).expect("the first window");
    }
    let live = LIVE / chips;
    (0..live).for_each(|number| ledger.apply(&event(source, target, number, EventKind::Allocate), pool));
    if name == FIRST {
        println!("{:<34} {:6} bytes", "a live region", (resident() - before) / (live * chips));
    }
    let mut next = live;
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..EVENTS / chips / 2 {
            ledger.apply(black_box(&event(source, target, next, EventKind::Allocate)), pool);
            ledger.apply(black_box(&event(source, target, next - live, EventKind::Free)), pool);
            next += 1;
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let (_, _, totals) = ledger.totals().into_iter().next().expect("one memory");
    assert_eq!((totals.live_buffers, totals.live_bytes), (live, live * 2048));
    assert_eq!(ledger.anomalies().unmatched_frees, 0);
    println!("{name:<34} {:6.1} M/s", EVENTS as f64 / best / 1e6);
}

/// The most that peaks can cost: a new one with each pair of events, which needs no walk, and a new one each time when the
/// walk for the one before was made.
fn peaks() {
    for (name, pairs_a_peak) in [("hooks, a peak with each pair", 1), ("hooks, a walk for each peak", LIVE / 4 + 100)] {
        let target = Target::Device(0);
        let allocate = |number| event(Source::Hooks, target, number, EventKind::Allocate);
        let mut ledger = Ledger::new();
        (0..LIVE).for_each(|number| ledger.apply(&allocate(number), None));
        let (mut next, mut best) = (LIVE, f64::MAX);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            for _ in 0..EVENTS / 2 {
                if next % pairs_a_peak == 0 {
                    // One that is reported again with more bytes, so that no more are live.
                    ledger.apply(&Event { address: 1, size: next, holder: 1, ..allocate(next) }, None);
                }
                ledger.apply(black_box(&allocate(next)), None);
                ledger.apply(black_box(&event(Source::Hooks, target, next - LIVE, EventKind::Free)), None);
                next += 1;
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        assert_eq!(ledger.peaks()[0].allocations, LIVE + 2);
        println!("{name:<34} {:6.1} M/s", EVENTS as f64 / best / 1e6);
    }
}

/// What a model with many programs does on a mesh: each program places its circular buffers on every chip, and the oldest of
/// those in the cache leaves.
fn programs(chips: i32, cached: u64) {
    const BUFFERS: u64 = 5;
    let place = |program: u64, number: u64, chip: i32| {
        let size = (20 << 10) + (program % 61) * 1024;
        Event {
            kind: EventKind::CbAllocate,
            target: Target::Device(chip),
            memory: Some(Memory::CircularBuffer),
            flags: if number == 0 { flags::NEW_PLACEMENT } else { 0 },
            // One behind the other.
            address: (100 << 10) + number * size,
            size,
            holder: program + 1,
            site: (program % 8) as u32 * 8,
            extra: 64,
            cores: Some(CoreRange { first_x: 0, first_y: 0, last_x: 7, last_y: 7 }),
            ..Event::default()
        }
    };
    let leave = |program: u64, chip: i32| Event {
        kind: EventKind::CbFreeAll,
        target: Target::Device(chip),
        memory: Some(Memory::CircularBuffer),
        holder: program + 1,
        ..Event::default()
    };
    let mut account = Account::new(false);
    let mut events = 0_u64;
    let mut run = |account: &mut Account, program: u64| {
        for chip in 0..chips {
            (0..BUFFERS).for_each(|number| account.apply(&place(program, number, chip), |_| None));
        }
        events += BUFFERS * chips as u64;
        if let Some(oldest) = program.checked_sub(cached) {
            (0..chips).for_each(|chip| account.apply(&leave(oldest, chip), |_| None));
            events += chips as u64;
        }
    };
    (0..cached).for_each(|program| run(&mut account, program));
    let mut best = f64::MAX;
    for round in 0..ROUNDS as u64 {
        let start = Instant::now();
        (0..cached).for_each(|program| run(&mut account, cached * (round + 1) + program));
        best = best.min(start.elapsed().as_secs_f64());
    }
    let live = cached * BUFFERS * chips as u64;
    assert_eq!(account.ledger().live_count(), live);
    let name = format!("circular buffers on {chips} chips");
    println!("{name:<34} {:6.1} M/s", (live + cached * chips as u64) as f64 / best / 1e6);
    saved("saved, a circular buffer", &account, live);
}

/// A reader saves its account now and then, and events wait meanwhile.
fn regions() {
    let mut account = Account::new(false);
    let allocate = |number| event(Source::Hooks, Target::Device(0), number, EventKind::Allocate);
    (0..LIVE).for_each(|number| account.apply(&allocate(number), |_| None));
    saved("saved, a region", &account, LIVE);
}

fn saved(name: &str, account: &Account, live: u64) {
    let mut saved = Vec::new();
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        saved.clear();
        let start = Instant::now();
        saved = account.save(saved).expect("it can be saved");
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:<34} {:6.1} ns, {:.1} bytes", best * 1e9 / live as f64, saved.len() as f64 / live as f64);
}

fn main() {
    programs(32, 1024);
    regions();
    measure(FIRST, Source::Hooks, None);
    measure_in("hooks, one device, in a window", Source::Hooks, None, true);
    measure("C ABI, one device", Source::CAbi, None);
    measure("C ABI, frees name no device", Source::CAbiAnyDevice, None);
    let pool = Pool { allocator: 1, chips: (0..32).collect() };
    measure("hooks, a mesh of 32, a chip each", Source::Hooks, Some(&pool));
    peaks();
}
