//! Several threads that do nothing but report.

use std::{sync::Barrier, time::Duration};

use ttmem_benches::{Histogram, Report, median};
use ttmem_ring::Clock;

const BURST: u64 = 1000;
const BURSTS: usize = 40;
/// The numbers of threads take turns; each figure is the median of so many runs.
const RUNS: usize = 7;
const PAUSE: Duration = Duration::from_millis(4);

/// What one thread saw.
struct Seen {
    bursts: Vec<f64>,
    calls: Histogram,
}

/// One row for each number of threads. They begin each burst together; where there are more of them than cores, the time of
/// a burst has the turns of the others in it.
pub(crate) fn sweep(report: Report, scale: f64) {
    println!();
    println!("| threads at once | ns of a burst, an event a thread | call p50 | p99 | p99.9 |");
    println!("|---|---|---|---|---|");
    let mut rows = [1, 2, 4, 8, 16].map(|threads| (threads, [const { Vec::new() }; 4]));
    for _ in 0..RUNS {
        for (threads, figures) in &mut rows {
            let run = run(report, *threads);
            figures.iter_mut().zip(run).for_each(|(figure, ticks)| figure.push(ticks * scale));
        }
    }
    for (threads, figures) in rows {
        let [mean, p50, p99, p999] = figures.map(|mut runs| median(&mut runs));
        println!("| {threads} | {mean:.1} | {p50:.1} | {p99:.0} | {p999:.0} |");
    }
}

/// The mean of the median burst, and three quantiles of single calls, in ticks.
fn run(report: Report, threads: usize) -> [f64; 4] {
    let together = Barrier::new(threads);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(|| thread(report, &together))).collect();
        all.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut bursts: Vec<f64> = seen.iter().flat_map(|seen| &seen.bursts).copied().collect();
    let mut calls = Histogram::default();
    seen.iter().for_each(|seen| calls.merge(&seen.calls));
    let mut at = |share| calls.quantile(share) as f64;
    [median(&mut bursts), at(0.5), at(0.99), at(0.999)]
}

fn thread(report: Report, together: &Barrier) -> Seen {
    let clock = Clock::detect();
    let mut seen = Seen { bursts: Vec::new(), calls: Histogram::default() };
    for _ in 0..BURSTS {
        together.wait();
        let start = clock.now();
        // SAFETY: any arguments will do.
        (0..BURST).for_each(|n| unsafe { report(0, 4096, 1, n) });
        seen.bursts.push((clock.now() - start) as f64 / BURST as f64);
        together.wait();
        for n in 0..BURST {
            let start = clock.now();
            // SAFETY: as above.
            unsafe { report(0, 4096, 1, n) };
            seen.calls.add(clock.now() - start);
        }
        std::thread::sleep(PAUSE);
    }
    seen
}
