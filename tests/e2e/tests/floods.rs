//! Two threads that report as fast as they can: every event is drained or counted as lost, and each thread's order stays.

use std::{
    path::Path,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use ttmem_e2e::{Report, Run, Steady, c_program, command, dead_rings, folder, number, ring_files, signal, wait_for};
use ttmem_ring::RingReader;
use ttmem_wire::{Event, EventKind, Record, Target};

const THREADS: u64 = 2;
const EACH: u64 = 2_000_000;

fn flood(each: u64) -> Run {
    Run::new(c_program("flood.c")).args([THREADS, each].map(|number| number.to_string()))
}

/// Follows each thread's own count through the events.
#[derive(Debug, Default)]
struct Order {
    /// The number of the event that must come next at the earliest, by thread.
    next: [u64; THREADS as usize],
    events: u64,
}

impl Order {
    fn follow(&mut self, event: &Event) {
        let Target::Device(device) = event.target else { panic!("{event:?}") };
        let thread = event.address >> 40;
        assert_eq!(thread, device as u64, "{event:?}");
        let id = event.address & ((1 << 40) - 1);
        let number = match event.kind {
            EventKind::Allocate => {
                assert_eq!(event.size, id + 1, "{event:?}");
                id
            }
            EventKind::Free => id + 1,
            _ => panic!("nobody reported {event:?}"),
        };
        let next = &mut self.next[thread as usize];
        assert!(number >= *next, "event {number} of thread {thread} came after {}", *next - 1);
        *next = number + 1;
        self.events += 1;
    }
}

/// Drains the ring of a living process until it is dead.
fn drain(rings: &Path, child: Child) -> (Order, RingReader) {
    drain_in_turns(rings, child, u64::MAX)
}

/// The same, by a new reader after each `turn` events.
fn drain_in_turns(rings: &Path, mut child: Child, turn: u64) -> (Order, RingReader) {
    let since = Instant::now();
    let path = loop {
        assert!(since.elapsed() < Duration::from_secs(60), "no ring");
        match ring_files(rings).pop() {
            Some(path) => break path,
            None => thread::sleep(Duration::from_micros(100)),
        }
    };
    let next_reader = || {
        let mut reader = RingReader::open(&path).expect("the ring");
        // A child that another test starts at this moment has a copy of the last reader's descriptor until its exec.
        while let Err(taken) = reader.lock_for_draining() {
            assert!(since.elapsed() < Duration::from_secs(60), "{taken}");
            thread::sleep(Duration::from_micros(100));
        }
        reader
    };
    let mut reader = next_reader();
    let mut other = RingReader::open(&path).expect("the ring");
    assert_eq!(other.lock_for_draining().map_err(|taken| taken.pid), Err(std::process::id()));
    let mut order = Order::default();
    let mut next_turn = turn;
    let mut records: Vec<Record> = Vec::new();
    loop {
        let gone = child.try_wait().expect("waiting for the flood").is_some() && !reader.is_alive();
        while reader.read(&mut records, 4096) > 0 {
            reader.release();
            for record in records.drain(..) {
                order.follow(&Event::decode(&record).expect("an event"));
            }
            if order.events >= next_turn {
                next_turn = order.events + turn;
                drop(reader);
                reader = next_reader();
            }
        }
        if gone {
            break;
        }
        thread::sleep(Duration::from_micros(100));
    }
    let recovery = reader.recover(&mut records);
    assert_eq!((recovery.half_written, recovery.impossible), (0, 0));
    for record in records {
        order.follow(&Event::decode(&record).expect("an event"));
    }
    (order, reader)
}

#[test]
fn with_a_live_reader_the_report_accounts_for_all() {
    let (outcome, report) = flood(EACH).traced();
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    let (reported, drained, lost) = Report::events(report.process());
    assert_eq!(reported, THREADS * EACH);
    assert_eq!(drained + lost, reported);
    assert!(drained >= 8192, "the queue alone holds more than {drained}");
}

#[test]
fn with_a_live_reader_each_threads_events_stay_in_order() {
    let rings = folder();
    let (order, reader) = drain(rings.path(), flood(EACH).preloaded(rings.path()).start());
    let counters = reader.counters();
    assert_eq!(counters.reported(), THREADS * EACH);
    assert_eq!(order.events + counters.dropped(), counters.reported());
    println!("{} of {} drained", order.events, counters.reported());
}

#[test]
fn a_small_ring_without_a_reader_keeps_the_beginning_in_order() {
    let rings = folder();
    let outcome = flood(EACH).preloaded(rings.path()).env("TTMEM_RING_BYTES", "4096").env("TTMEM_FOLD", "0").outcome();
    assert_eq!(outcome.code(), 0);
    let dead = dead_rings(rings.path()).remove(0);
    dead.check_counts();
    assert_eq!(dead.counters.reported(), THREADS * EACH);
    assert_eq!(dead.events.len() as u64 + dead.counters.dropped(), THREADS * EACH);
    assert!(dead.from_ring <= 64 && dead.events.len() >= 8192, "{} of {}", dead.from_ring, dead.events.len());
    let mut order = Order::default();
    dead.events.iter().for_each(|event| order.follow(event));

    // The same by the command, which takes nothing out.
    for _ in 0..2 {
        let json = rings.path().join("report.json");
        let mut report = Run::new(command()).args(["report", "--quiet", "--json"]).arg(&json);
        report = report.args(ring_files(rings.path()));
        assert_eq!(report.outcome().code(), 0);
        let report = Report::parse(&std::fs::read_to_string(&json).expect("the report"));
        let (reported, drained, lost) = Report::events(report.process());
        assert_eq!((reported, drained), (THREADS * EACH, dead.events.len() as u64));
        assert_eq!(drained + lost, reported);
    }
}

#[test]
fn a_small_ring_with_a_live_reader() {
    let rings = folder();
    // This reader knows the ring alone: what the process folds before it came would be missing.
    let run = flood(EACH).preloaded(rings.path()).env("TTMEM_FOLD", "0").env("TTMEM_RING_BYTES", "4096");
    let (order, reader) = drain(rings.path(), run.start());
    let counters = reader.counters();
    assert_eq!(counters.reported(), THREADS * EACH);
    assert_eq!(order.events + counters.dropped(), counters.reported());
}

#[test]
fn readers_may_come_and_go() {
    let rings = folder();
    let run = flood(100_000).preloaded(rings.path()).env("TTMEM_FOLD", "0").env("TTMEM_RING_BYTES", "65536");
    let (order, reader) = drain_in_turns(rings.path(), run.start(), 5000);
    assert_eq!(reader.counters().dropped(), 0);
    assert_eq!(order.next, [100_000; 2], "nothing twice, nothing missing");
    assert_eq!(order.events, 200_000);
}

/// Two threads flat out, with 1,000 buffers each that live.
fn flat_out() -> Steady {
    // `TTMEM_TEST_EVENTS=10000000` for the long one.
    let events = number("TTMEM_TEST_EVENTS", 500_000);
    Steady { events, live: 1000, spin: 0, ring_bytes: 1 << 20, ..Steady::SMALL }
}

#[test]
fn by_default_nothing_is_lost_while_a_reader_drains() {
    let (steady, files) = (flat_out(), folder());
    let words = files.path().join("words");
    let (outcome, report) = thread::scope(|scope| {
        scope.spawn(|| {
            wait_for("its events", || (steady.returned(&words) == [steady.events; 2]).then_some(()));
            signal("KILL", steady.pid(&words));
        });
        steady.run(&words).traced()
    });
    assert_eq!(outcome.code(), 128 + 9);
    assert_eq!(Report::events(report.process()), (2 * steady.events, 2 * steady.events, 0));
    steady.check(report.process(), &[steady.events; 2], &[steady.events; 2]);
}

#[test]
fn by_default_nothing_is_lost_while_nobody_reads() {
    let (steady, rings, files) = (flat_out(), folder(), folder());
    let words = files.path().join("words");
    let mut child = steady.run(&words).preloaded(rings.path()).start();
    wait_for("its events", || (steady.returned(&words) == [steady.events; 2]).then_some(()));
    child.kill().expect("SIGKILL");
    child.wait().expect("waiting for the killed");
    let json = files.path().join("report.json");
    let report = Run::new(command()).args(["report", "--quiet", "--json"]).arg(&json).args(ring_files(rings.path()));
    assert_eq!(report.outcome().code(), 0);
    let report = Report::parse(&std::fs::read_to_string(&json).expect("the report"));
    assert_eq!(Report::events(report.process()), (2 * steady.events, 2 * steady.events, 0));
    steady.check(report.process(), &[steady.events; 2], &[steady.events; 2]);
}

#[test]
fn a_reader_that_stands_still_costs_100_ms_once() {
    let rings = folder();
    let run = flood(EACH).preloaded(rings.path()).env("TTMEM_RING_BYTES", "4096");
    let mut child = run.start();
    let path = wait_for("a ring", || ring_files(rings.path()).pop());
    let mut reader = RingReader::open(&path).expect("the ring");
    while reader.lock_for_draining().is_err() {
        thread::sleep(Duration::from_micros(100));
    }
    let since = Instant::now();
    assert!(child.wait().expect("waiting for the flood").success());
    // Each of the millions of events would cost as much; of other work on the machine, a lot may come in between.
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    let counters = reader.counters();
    assert_eq!(counters.reported(), THREADS * EACH);
    assert!(counters.dropped() > EACH, "{} dropped", counters.dropped());
}
