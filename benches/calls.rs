//! What one reported event costs its caller, beside the floor of the machine and what others pay, in one run.
//!
//!     cargo build --release -p ttmem-shim && cargo bench -p ttmem-benches --bench calls
//!
//! Every way of reporting runs in bursts, in turns with the others; a reader in another process drains meanwhile. The
//! figures of a way: the mean of a burst (median over bursts), the time of single calls, each between two readings of the
//! time stamp counter (the cost of an empty pair taken off), and that of the first call after the pause. LTTng-UST is measured where it is installed and a session
//! daemon runs. Then the same call by 1 to 16 threads at once. `benches/instructions.sh` counts instructions.

#[path = "calls/others.rs"]
mod others;
#[path = "calls/together.rs"]
mod together;

use std::{
    hint::black_box,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use others::{channel, counters, floor, lttng_tracepoint, mutex, unix_socket};
use ttmem_benches::{Histogram, load, machine, median, ns_per_tick, report_allocation, stats};
use ttmem_ring::{Clock, RingReader, discover};

const BURST: u64 = 2000;
const BURSTS: usize = 400;
/// Between bursts, so that the flusher and the reader, which share two cores with us, keep up as they do in a program.
const PAUSE: Duration = Duration::from_millis(2);

/// One way of reporting an event.
struct Way<'a> {
    name: &'static str,
    call: Box<dyn FnMut(u64) + 'a>,
    /// The first call after the pause: in ttmem it may have to wake the flusher.
    firsts: Vec<f64>,
    bursts: Vec<f64>,
    calls: Histogram,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--drain") => drain(Path::new(&arguments[2])),
        Some("--disabled") => disabled(),
        Some("--calls") => calls(&arguments[2]),
        _ => compare(),
    }
}

fn compare() {
    let folder = ttmem_ring::create_private_dir(&ttmem_ring::default_dir()).expect("a folder for the ring");
    // SAFETY: no other thread runs yet. The library reads its environment when it is loaded.
    unsafe {
        std::env::set_var("TTMEM_DIR", &folder);
        // What call sites cost is another question: see sites.rs.
        std::env::set_var("TTMEM_STACKS", "off");
    }
    let library = load();
    let report = report_allocation(library);
    let resident_before = resident_kib();
    // SAFETY: any arguments will do.
    unsafe { report(0, 1, 0, 1) };
    std::thread::sleep(Duration::from_millis(50));
    let resident_after = resident_kib();
    let mut reader = spawn_reader(&folder);

    let floor = floor();
    let mut ways = vec![
        Way::new("nothing (an empty call)", |n| {
            black_box(n);
        }),
        // SAFETY: any arguments will do, on one thread.
        Way::new("floor: TSC + private ring", |n| unsafe { floor(0, 4096, 1, n) }),
        // SAFETY: any arguments will do.
        Way::new("ttmem report_allocation", |n| unsafe { report(0, 4096, 1, n) }),
        Way::new("tt-metal's counters: 6 atomics + clock", counters()),
        Way::new("crossbeam channel + polling thread", channel()),
        Way::new("ring behind a mutex", mutex()),
        Way::new("128-byte send, UNIX socket", unix_socket()),
    ];
    let mut ways_missing = Vec::new();
    let session = match lttng_tracepoint() {
        Ok((call, session)) => {
            ways.push(Way::new("LTTng-UST, six integers", call));
            Some(session)
        }
        Err(reason) => {
            eprintln!("SKIPPED: LTTng-UST: {reason}");
            ways_missing.push("LTTng-UST, six integers");
            None
        }
    };
    let clock = Clock::detect();
    for _ in 0..BURSTS {
        for way in &mut ways {
            way.burst(clock);
            std::thread::sleep(PAUSE);
        }
    }
    drop(session);
    let scale = ns_per_tick();
    let disabled = disabled_ns();
    print_table(&mut ways, scale);
    println!("| ttmem with TTMEM_DISABLE=1 | {disabled:.1} | | | | | |");
    ways_missing.iter().for_each(|way| println!("| {way} | not installed | | | | | |"));
    together::sweep(report, scale);
    println!();
    let stats = stats(library);
    println!("events {}, dropped {}", stats[1], stats[4]);
    println!("resident memory added by the first event: {} KiB", resident_after.saturating_sub(resident_before));
    drop(reader.stdin.take());
    let _ = reader.wait();
    let _ = std::fs::remove_dir_all(&folder);
}

impl<'a> Way<'a> {
    fn new(name: &'static str, call: impl FnMut(u64) + 'a) -> Self {
        Self { name, call: Box::new(call), firsts: Vec::new(), bursts: Vec::new(), calls: Histogram::default() }
    }

    /// Half of the burst as a whole, half call by call.
    fn burst(&mut self, clock: Clock) {
        let start = clock.now();
        (self.call)(0);
        self.firsts.push((clock.now() - start) as f64);
        let start = clock.now();
        for n in 0..BURST / 2 {
            (self.call)(n);
        }
        self.bursts.push((clock.now() - start) as f64 / (BURST / 2) as f64);
        for n in 0..BURST / 2 {
            let start = clock.now();
            (self.call)(n);
            self.calls.add(clock.now() - start);
        }
    }
}

fn print_table(ways: &mut [Way<'_>], scale: f64) {
    let empty = ways[0].calls.quantile(0.5);
    println!("{}; {BURSTS} bursts of {BURST} a way, in turns; ns", machine());
    println!();
    println!("| way | mean of a burst | times the floor | call p50 | p99 | p99.9 | first call after a pause |");
    println!("|---|---|---|---|---|---|---|");
    let floor = median(&mut ways[1].bursts.clone()) * scale;
    for way in ways {
        let mean = median(&mut way.bursts) * scale;
        let mut at = |share| way.calls.quantile(share).saturating_sub(empty) as f64 * scale;
        let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
        let first = median(&mut way.firsts) * scale;
        let times = mean / floor;
        println!("| {} | {mean:.1} | {times:.2} | {p50:.1} | {p99:.0} | {p999:.0} | {first:.0} |", way.name);
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim_end_matches("kB").trim().parse().unwrap_or(0)
}

/// The live reader: drains until its standard input ends.
fn spawn_reader(folder: &Path) -> Child {
    let this = std::env::current_exe().expect("own path");
    Command::new(this).arg("--drain").arg(folder).stdin(Stdio::piped()).spawn().expect("a reader process")
}

fn drain(folder: &Path) {
    let ring = discover(folder).expect("the folder").pop().expect("a ring");
    let mut reader = RingReader::open(&ring).expect("the ring opens");
    reader.lock_for_draining().expect("nobody else drains");
    let stop = std::thread::spawn(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let mut records = Vec::new();
    while !stop.is_finished() {
        records.clear();
        if reader.read(&mut records, 65_536) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        reader.release();
    }
}

/// In a process of its own, since the library reads its environment once.
fn disabled_ns() -> f64 {
    let this = std::env::current_exe().expect("own path");
    let output = Command::new(this).arg("--disabled").env("TTMEM_DISABLE", "1").output().expect("a child");
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(f64::NAN)
}

/// Nothing but so many calls: see instructions.sh.
fn calls(count: &str) {
    let report = report_allocation(load());
    let count: u64 = count.parse().expect("a number of calls");
    // SAFETY: any arguments will do.
    (0..count).for_each(|n| unsafe { report(0, 4096, 1, n) });
}

fn disabled() {
    let report = report_allocation(load());
    let clock = Clock::detect();
    let mut bursts: Vec<f64> = (0..200)
        .map(|_| {
            let start = clock.now();
            // SAFETY: any arguments will do.
            (0..10_000_u64).for_each(|n| unsafe { report(0, 4096, 1, n) });
            (clock.now() - start) as f64 / 10_000.0
        })
        .collect();
    let _ = write!(std::io::stdout(), "{}", median(&mut bursts) * ns_per_tick());
}
