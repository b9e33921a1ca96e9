//! What the machine gives anybody: as many events a second go through a queue in memory, from one thread to another, and each keeps
//! the one that takes it busy for as long as ttmem's reader. Nothing of ttmem's is in it. How late they are there is the part of
//! ttmem's lateness that it can't help: turns of threads, and processors that stand still.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use hdrhistogram::Histogram;
use ttmem_benches::ns_per_tick;
use ttmem_ring::Clock;

use crate::{producer::pace, reader::quantiles};

/// Events that find room: none is ever lost.
const ROOM: usize = 1 << 22;
/// Events that are worked on between two looks at the clock.
const CHUNK: usize = 16;
/// Until both threads have a processor, and the queue its memory, nothing is noted.
const WARM_UP: f64 = 0.5;
/// Between rounds, as the reader's after many events.
const NAP: Duration = Duration::from_micros(100);

/// Median, 99 %, 99.9 % and the most that an event is late, in microseconds.
pub(crate) fn latency(rate: f64, seconds: f64, busy_ns: f64) -> [String; 4] {
    let stamps: Vec<AtomicU64> = (0..ROOM).map(|_| AtomicU64::new(0)).collect();
    let (head, done, clock) = (AtomicU64::new(0), AtomicBool::new(false), Clock::detect());
    let late = thread::scope(|scope| {
        let (stamps, head, done, clock) = (&stamps, &head, &done, &clock);
        let taker = scope.spawn(move || take(stamps, head, done, clock, busy_ns, (rate * WARM_UP) as u64));
        pace(rate, seconds + WARM_UP, |due| {
            let sent = head.load(Ordering::Relaxed);
            for at in sent..due {
                stamps[at as usize % ROOM].store(clock.now(), Ordering::Relaxed);
                // SYNC: Release, pairs with the Acquire load in `take`: who sees the number sees the stamp.
                head.store(at + 1, Ordering::Release);
            }
        });
        done.store(true, Ordering::Release);
        taker.join().expect("it does not panic")
    });
    quantiles(&late)
}

/// Takes the events; those behind the first `unseen` are noted.
fn take(
    stamps: &[AtomicU64],
    head: &AtomicU64,
    done: &AtomicBool,
    clock: &Clock,
    busy_ns: f64,
    unseen: u64,
) -> Histogram<u64> {
    let scale = ns_per_tick();
    let mut late = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("sound bounds");
    let mut taken = 0;
    loop {
        let is_over = done.load(Ordering::Acquire);
        // SYNC: see `latency`.
        let end = head.load(Ordering::Acquire);
        while taken < end {
            let count = (end - taken).min(CHUNK as u64);
            let free_at = clock.now() + (busy_ns * count as f64 / scale) as u64;
            while clock.now() < free_at {
                std::hint::spin_loop();
            }
            let stamp = stamps[taken as usize % ROOM].load(Ordering::Relaxed);
            if taken >= unseen {
                let _ = late.record_n((clock.now().saturating_sub(stamp) as f64 * scale) as u64, count);
            }
            taken += count;
        }
        if is_over {
            return late;
        }
        thread::sleep(NAP);
    }
}
