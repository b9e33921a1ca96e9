//! Measures the way of an event on this machine: a child loads the library and reports, we drain.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use ttmem_caller::Library;
use ttmem_ring::{Clock, create_private_dir, default_dir, monotonic_ns, space};
use ttmem_wire::{Event, Record};

use super::{Check, checks};
use crate::{Account, Drainer, Failure, Keep, launch, report::bytes};

/// Events in a burst of which the cost is taken: a reader keeps up with these.
const BURST: u64 = 2_000;
const BURSTS: usize = 200;
/// Events of which the latency is taken, and the time between two.
const PROBES: u64 = 300;
const BETWEEN_PROBES: Duration = Duration::from_millis(3);
/// Between two looks whether the child is done.
const NAP: Duration = Duration::from_millis(1);
/// How long a child may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Live regions of the long run.
const LIVE: u64 = 4_096;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Transport {
    /// What stamps events: `counter` or `clock_gettime`.
    pub clock: &'static str,
    /// From call to return, ns: the median of bursts, with a reader at work.
    pub ns_an_event: f64,
    /// The same of the slowest hundredth of bursts.
    pub ns_an_event_p99: f64,
    /// What one thread that does nothing else reported in a second, and a reader took.
    pub events_a_second: f64,
    /// Events of that run.
    pub events: u64,
    /// Of these, lost: the reader was not fast enough for a thread that does nothing else.
    pub lost: u64,
    /// From call to reader, us: the median.
    pub latency_us: f64,
    /// The same of the slowest hundredth.
    pub latency_us_p99: f64,
    /// Bytes of the file system of the rings.
    pub room_total: u64,
    /// Of these, free.
    pub room_free: u64,
}

/// What the child tells of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    /// ns an event, of each burst.
    bursts: Vec<f64>,
    events: u64,
    seconds: f64,
}

impl Transport {
    /// Measures for so many seconds, and some more.
    ///
    /// # Errors
    /// What kept it from being measured.
    pub fn measure(seconds: u64) -> Result<Self, Failure> {
        let library = launch::find_library(None)?;
        let base = std::path::absolute(default_dir()).map_err(|error| Failure::new(format!("TTMEM_DIR: {error}")))?;
        let folder = create_private_dir(&base).map_err(|error| Failure::with(&base, error))?;
        let measured = latencies(&library, &folder).and_then(|mut latencies| {
            let (told, lost) = long_run(&library, &folder, seconds)?;
            let mut bursts = told.bursts;
            let room = space(&folder).unwrap_or_default();
            Ok(Self {
                clock: if Clock::detect() == Clock::Counter { "counter" } else { "clock_gettime" },
                ns_an_event: quantile(&mut bursts, 0.5),
                ns_an_event_p99: quantile(&mut bursts, 0.99),
                events_a_second: told.events.saturating_sub(lost) as f64 / told.seconds,
                events: told.events,
                lost,
                latency_us: quantile(&mut latencies, 0.5),
                latency_us_p99: quantile(&mut latencies, 0.99),
                room_total: room.total,
                room_free: room.free,
            })
        });
        let _ = fs::remove_dir_all(&folder);
        measured
    }

    pub(super) fn check(&self) -> Check {
        let found = format!(
            "{:.0} ns an event (p99 {:.0}), {:.1} M events/s, latency {:.1} ms (p99 {:.1}), {} lost; clock: {}; {} free of {}",
            self.ns_an_event,
            self.ns_an_event_p99,
            self.events_a_second / 1e6,
            self.latency_us / 1e3,
            self.latency_us_p99 / 1e3,
            self.lost,
            self.clock,
            bytes(self.room_free),
            bytes(self.room_total),
        );
        if self.lost > 0 {
            let advice =
                "the queue was full, and nothing was drained for 100 ms; TTMEM_ON_FULL=block:10000 waits longer";
            return Check::note("transport", found, advice);
        }
        Check::good("transport", found)
    }
}

fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// From call to reader, us. The size of each event is its time.
fn latencies(library: &Path, folder: &Path) -> Result<Vec<f64>, Failure> {
    let mut latencies = Vec::new();
    let mut child = checks::child("latency", library);
    drained(child.env("TTMEM_DIR", folder).stdout(Stdio::null()), folder, PATIENCE, &mut |_, records| {
        let now = monotonic_ns();
        let sizes = records.iter().filter_map(|record| Event::decode(record).ok()).map(|event| event.size);
        latencies.extend(sizes.map(|sent| now.saturating_sub(sent) as f64 / 1e3));
    })?;
    // The first waited for the ring to be made.
    if latencies.len() < 2 {
        return Err(Failure::new("the measuring child reported no event".to_owned()));
    }
    Ok(latencies.split_off(1))
}

/// What the child told of a long run, and how many events were lost.
fn long_run(library: &Path, folder: &Path, seconds: u64) -> Result<(Told, u64), Failure> {
    let mut child = checks::child("events", library);
    child.args(["--seconds", &seconds.to_string()]).env("TTMEM_DIR", folder).stdout(Stdio::piped());
    let limit = PATIENCE.saturating_add(Duration::from_secs(seconds));
    let (output, lost) = drained(&mut child, folder, limit, &mut |_, _| {})?;
    let told = serde_json::from_slice(&output.stdout)
        .map_err(|_| Failure::new(format!("the measuring child ended with {}", output.status)))?;
    Ok((told, lost))
}

/// Runs a child, and drains it as `ttmem run` does; gives what it wrote, and how many events were lost. One that takes longer
/// than `limit` is killed.
fn drained(
    child: &mut Command,
    folder: &Path,
    limit: Duration,
    seen: &mut (dyn FnMut(&Account, &[Record]) + Send),
) -> Result<(Output, u64), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("the measuring child: {error}"));
    let mut child = child.spawn().map_err(failed)?;
    let (pid, began) = (child.id(), Instant::now());
    let mut drainer = Drainer::new(folder, Keep::default());
    let (stop, wakeup) = (AtomicBool::new(false), drainer.wakeup());
    let output = std::thread::scope(|scope| {
        scope.spawn(|| drainer.show_until(&stop, seen));
        // What it writes fits into a pipe.
        while matches!(child.try_wait(), Ok(None)) {
            if began.elapsed() > limit {
                let _ = child.kill();
            }
            std::thread::sleep(NAP);
        }
        stop.store(true, Ordering::Release);
        wakeup.wake();
        child.wait_with_output()
    })
    .map_err(failed)?;
    drainer.finish(pid, launch::ended(output.status));
    let lost = drainer.sessions().iter().map(crate::Session::lost).sum();
    Ok((output, lost))
}

/// The child that reports events of which the latency is taken.
pub(crate) fn report_probes(library: Library) {
    for n in 0..PROBES {
        library.report_allocation(0, monotonic_ns(), n);
        std::thread::sleep(BETWEEN_PROBES);
    }
}

/// The child that reports bursts, and then as much as it can; gives a line of JSON.
pub(crate) fn report_events(library: Library, seconds: u64) -> String {
    // The first makes the ring.
    library.report_allocation(0, 1, 0);
    library.report_deallocation(0, 0);
    let burst = |_| {
        // A reader is at work, and catches up.
        std::thread::sleep(Duration::from_millis(2));
        let began = Instant::now();
        for n in 0..BURST / 2 {
            library.report_allocation(0, 64, n);
            library.report_deallocation(0, n);
        }
        began.elapsed().as_nanos() as f64 / BURST as f64
    };
    let bursts: Vec<f64> = (0..BURSTS).map(burst).collect();
    let (began, mut events) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(seconds) {
        for n in 0..BURST {
            let address = (events + n) % LIVE;
            if ((events + n) / LIVE).is_multiple_of(2) {
                library.report_allocation(1, 64, address);
            } else {
                library.report_deallocation(1, address);
            }
        }
        events += BURST;
    }
    serde_json::to_string(&Told { bursts, events, seconds: began.elapsed().as_secs_f64() }).unwrap_or_default()
}
