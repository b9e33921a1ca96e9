//! The whole way of an event, from the call to the reader's ledger: how many a second, how late, and who pays.
//!
//!     cargo build --release -p ttmem-shim -p ttmem && cargo bench -p ttmem-benches --bench end_to_end
//!
//! TTMEM_BENCH_SECONDS (60) is the time at full speed; a third of it goes to each of the other rows. TTMEM_BENCH_LIVE
//! (100,000) regions live all the time. TTMEM_BENCH_ROWS picks rows by their first word. The reader is the drainer that `ttmem run` has, in a
//! process of its own; where nothing happens, it is the command itself. Nothing may be lost: the program waits for room
//! (`TTMEM_ON_FULL=block:10000`). Under load each row has one beside it of a queue without ttmem, whose reader is as busy: what is late
//! there is the machine's.

#[path = "end_to_end/bare.rs"]
mod bare;
#[path = "end_to_end/producer.rs"]
mod producer;
#[path = "end_to_end/reader.rs"]
mod reader;
#[path = "end_to_end/stalls.rs"]
mod stalls;

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use producer::Producer;
use reader::Reader;
use ttmem_benches::{cpu_ns, cpu_ns_of_thread, load, machine, release_folder, report_allocation};

const FLUSHER: &str = "ttmem-flush";

/// One row: how many events a second are tried.
struct Row {
    name: &'static str,
    rate: Option<f64>,
    share: f64,
}

const ROWS: [Row; 6] = [
    Row { name: "few events: 10 a second", rate: Some(10.0), share: 1.0 / 3.0 },
    // Where flusher and reader sleep between all rounds.
    Row { name: "some: 10 thousand a second", rate: Some(1e4), share: 1.0 / 6.0 },
    Row { name: "more: 200 thousand a second", rate: Some(2e5), share: 1.0 / 6.0 },
    Row { name: "load: 1 million a second", rate: Some(1e6), share: 1.0 / 3.0 },
    Row { name: "paced: 8 million a second", rate: Some(8e6), share: 1.0 / 3.0 },
    Row { name: "full speed", rate: None, share: 1.0 },
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--reader") => reader::serve(Path::new(&arguments[2])),
        Some("--calm") => calm(&arguments[2]),
        _ => measure(),
    }
}

fn setting(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn measure() {
    let seconds = setting("TTMEM_BENCH_SECONDS", 60.0);
    let live = setting("TTMEM_BENCH_LIVE", 100_000.0) as u64;
    let rows = std::env::var("TTMEM_BENCH_ROWS").unwrap_or_default();
    let is_wanted = |name: &str| rows.is_empty() || rows.split(',').any(|row| name.starts_with(row));
    println!("{}; {live} regions live", machine());
    let machine_alone = stalls::measure(seconds / 6.0);
    println!(
        "before ttmem runs: threads that keep the cores busy stood still for more than 1 ms during {:.2} % of the time, at most {:.1} ms",
        machine_alone.share * 1e2,
        machine_alone.longest.as_secs_f64() * 1e3
    );
    if is_wanted("idle") {
        println!();
        println!("| `ttmem run` of a program that | reader, % of a core | flusher, % of a core |");
        println!("|---|---|---|");
        idle("reported once, and sleeps", 0.0, seconds / 3.0);
        idle("reports 4 events a second", 4.0, seconds / 3.0);
    }
    let rows: Vec<&Row> = ROWS.iter().filter(|row| is_wanted(row.name)).collect();
    if rows.is_empty() {
        return;
    }
    let folder = ttmem_ring::create_private_dir(&ttmem_ring::default_dir()).expect("a folder for the ring");
    // SAFETY: no other thread runs yet. The library reads its environment when it is loaded.
    unsafe {
        std::env::set_var("TTMEM_DIR", &folder);
        std::env::set_var("TTMEM_ON_FULL", "block:10000");
        // The reader counts what it sees one by one: nothing may be folded before it comes.
        std::env::set_var("TTMEM_FOLD", "0");
        // What call sites cost is another question: see sites.rs.
        std::env::set_var("TTMEM_STACKS", "off");
    }
    let library = load();
    let mut reader = Reader::spawn(&folder);
    let mut producer = Producer::new(library, live);
    reader.wait_for(producer.sent());
    println!();
    println!(
        "| events | a second | lost | producer | flusher | reader | sum, ns of processor time an event | latency p50 | p99 | p99.9 | max, us |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        run(row, seconds * row.share, &mut producer, &mut reader);
    }
    drop(reader);
    let _ = std::fs::remove_dir_all(&folder);
}

/// One row of the table.
fn run(row: &Row, seconds: f64, producer: &mut Producer, reader: &mut Reader) {
    let this = std::process::id();
    reader.ask("reset");
    let times = |reader: &Reader| [cpu_ns(this), cpu_ns_of_thread(this, FLUSHER), cpu_ns(reader.pid())];
    let (before, first, lost_before) = (times(reader), producer.sent(), producer.lost());
    let since = Instant::now();
    match row.rate {
        Some(rate) => producer.send_at(rate, seconds),
        None => producer.send_for(seconds),
    }
    // Until the last one is in the ledger.
    reader.wait_for(producer.sent() - producer.lost());
    let elapsed = since.elapsed().as_secs_f64();
    let after = times(reader);
    let late = reader.ask("latency");
    let events = (producer.sent() - first) as f64;
    let [all, flusher, reading] = [0, 1, 2].map(|at| (after[at] - before[at]) as f64 / events);
    println!(
        "| {} | {:.0} | {} | {:.1} | {flusher:.1} | {reading:.1} | {:.1} | {} |",
        row.name,
        events / elapsed,
        producer.lost() - lost_before,
        all - flusher,
        all + reading,
        late.join(" | ")
    );
    if let Some(rate) = row.rate.filter(|&rate| rate >= 1e6) {
        let late = bare::latency(rate, seconds, reading);
        println!("| a bare queue, as many, as busy | | | | | {reading:.1} | | {} |", late.join(" | "));
    }
}

/// The command itself, and a program that hardly reports.
fn idle(name: &str, rate: f64, seconds: f64) {
    let command = release_folder().join("ttmem");
    let this = std::env::current_exe().expect("own path");
    let mut run = Command::new(&command);
    run.args(["run", "--"]).arg(this).arg("--calm").arg(rate.to_string());
    run.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = match run.spawn() {
        Ok(run) => run,
        Err(error) => return println!("| {name} | {}: {error} | |", command.display()),
    };
    std::thread::sleep(Duration::from_secs(1));
    let reader = run.id();
    let children = std::fs::read_to_string(format!("/proc/{reader}/task/{reader}/children")).unwrap_or_default();
    let program = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).unwrap_or(0);
    let times = || [cpu_ns(reader), cpu_ns_of_thread(program, FLUSHER)];
    let (before, since) = (times(), Instant::now());
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let (after, elapsed) = (times(), since.elapsed().as_secs_f64());
    let [reading, flusher] = [0, 1].map(|at| (after[at] - before[at]) as f64 / elapsed / 1e7);
    println!("| {name} | {reading:.3} | {flusher:.3} |");
    drop(run.stdin.take());
    let _ = run.wait();
}

/// The program that hardly reports: until its standard input ends.
fn calm(rate: &str) {
    let rate: f64 = rate.parse().expect("a rate");
    let report = report_allocation(load());
    let stop = std::thread::spawn(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    // SAFETY: any arguments will do.
    unsafe { report(0, 4096, 0, 0) };
    for n in 1.. {
        if stop.is_finished() {
            return;
        }
        if rate > 0.0 {
            // SAFETY: as above.
            unsafe { report(0, 4096, 0, n) };
        }
        std::thread::sleep(Duration::from_secs_f64(if rate > 0.0 { 1.0 / rate } else { 0.1 }));
    }
}
