//! Events a second on one core, and bytes a live region, with 100,000 regions live.
//!
//!     cargo bench -p ttmem-ledger

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use ttmem_ledger::Ledger;
use ttmem_wire::{Event, EventKind, Memory, Pool, Target};

const LIVE: u64 = 100_000;
const EVENTS: u64 = 10_000_000;
const ROUNDS: usize = 5;

/// Counts what is allocated, since the resident size of the process says too little about 100,000 regions.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: both calls go to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How the events name what they mean.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// Interposed calls: memory, bytes a bank and identity known.
    Hooks,
    /// The C ABI: frees name neither memory nor holder.
    CAbi,
}

/// Addresses as an allocator gives them: multiples of a page, in no order.
fn event(source: Source, target: Target, number: u64, kind: EventKind) -> Event {
    let bare =
        Event { kind, target, address: (number.wrapping_mul(0x9E37_79B9) & 0xFF_FFFF) << 11, ..Event::default() };
    match (source, kind) {
        (Source::CAbi, EventKind::Free) => bare,
        (Source::CAbi, _) => Event { memory: Some(Memory::Dram), size: 2048, ticks: number, ..bare },
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
    let chips = pool.map_or(1, |pool| pool.chips.len() as u64);
    let target = if pool.is_some() { Target::Pool(0) } else { Target::Device(0) };
    let before = ALLOCATED.load(Ordering::Relaxed);
    let mut ledger = Ledger::new();
    let live = LIVE / chips;
    (0..live).for_each(|number| ledger.apply(&event(source, target, number, EventKind::Allocate), pool));
    let bytes = (ALLOCATED.load(Ordering::Relaxed) - before) as u64 / (live * chips);
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
    println!("{name:<34} {:6.1} M/s  {bytes:4} bytes a live region", EVENTS as f64 / best / 1e6);
}

fn main() {
    measure("hooks, one device", Source::Hooks, None);
    measure("C ABI, one device", Source::CAbi, None);
    let pool = Pool { allocator: 1, mesh: Some(0), chips: (0..32).collect() };
    measure("hooks, a mesh of 32, a chip each", Source::Hooks, Some(&pool));
}
