//! SIGKILL at any moment: what a call returned from is there afterwards.

use std::{
    cell::Cell,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ttmem_e2e::{Dead, Random, Report, Run, c_program, command, dead_rings, folder, ring_files, signal, words_in};
use ttmem_wire::EventKind;

/// A program that reports until it is killed.
#[derive(Clone, Copy, Debug)]
struct Victim {
    threads: u64,
    /// Of each thread; then it waits for its end.
    events: u64,
    /// Turns of an empty loop after each event.
    spin: u64,
    ring_bytes: &'static str,
}

fn words(path: &Path) -> Vec<u64> {
    words_in(&fs::read(path).unwrap_or_default())
}

impl Victim {
    fn run(&self, words: &Path) -> Run {
        let numbers = [self.threads, self.events, self.spin].map(|number| number.to_string());
        Run::new(c_program("kill.c"))
            .arg(words)
            .args(numbers)
            .env("TTMEM_RING_BYTES", self.ring_bytes)
            .env("TTMEM_ON_FULL", "drop")
            .env("TTMEM_FOLD", "0")
    }

    /// Starts it, kills it `delay` after its first event (or after its start), and says how many calls had returned, by
    /// thread, and what it left.
    fn kill(&self, delay: Duration, from_start: bool) -> (Vec<u64>, Option<Dead>) {
        let (rings, files) = (folder(), folder());
        let words_file = files.path().join("words");
        let mut child = self.run(&words_file).preloaded(rings.path()).start();
        if !from_start {
            wait_for_first(&words_file);
        }
        pause(delay);
        child.kill().expect("SIGKILL");
        child.wait().expect("waiting for the killed");
        let mut returned = words(&words_file);
        returned.resize(self.threads as usize, 0);
        let mut dead = dead_rings(rings.path());
        assert!(dead.len() <= 1);
        (returned, dead.pop())
    }

    /// What was drained is what had returned, and at most one event more of each thread.
    fn check(&self, returned: &[u64], dead: &Dead) {
        dead.check_counts();
        assert!(dead.recovery.half_written <= self.threads);
        let allocations = dead.events.iter().filter(|event| event.kind == EventKind::Allocate).count();
        assert_eq!(allocations, dead.events.len(), "nothing but allocations was reported");
        for (thread, &returned) in returned.iter().enumerate() {
            let ids = dead.ids(thread as i32);
            let drained = ids.len() as u64;
            assert!((returned..=returned + 1).contains(&drained), "thread {thread}: {drained} of {returned}");
            let expected: Vec<u64> = (1..=drained).map(|n| (thread as u64) << 40 | n).collect();
            assert_eq!(ids, expected, "in order and without a gap");
        }
    }
}

/// Returns when thread 0 has reported its first event.
fn wait_for_first(words_file: &Path) {
    let since = Instant::now();
    while words(words_file).first().is_none_or(|&count| count == 0) {
        assert!(since.elapsed() < Duration::from_secs(60), "the victim reports nothing");
        thread::sleep(Duration::from_micros(50));
    }
}

/// Sleeps, or for less than a scheduler's tick spins.
fn pause(delay: Duration) {
    if delay > Duration::from_millis(1) {
        thread::sleep(delay);
    } else {
        let since = Instant::now();
        while since.elapsed() < delay {
            std::hint::spin_loop();
        }
    }
}

/// Kills `count` victims, of the kinds by turns, each at a random moment of its first `longest`.
fn kill_at_random(kinds: &[(Victim, Duration)], count: u64, check: impl Fn(&Victim, &[u64], Dead)) {
    let mut random = Random::new();
    println!("TTMEM_TEST_SEED={}", random.seed);
    for round in 0..count {
        let (victim, longest) = kinds[(round % kinds.len() as u64) as usize];
        // One in ten may die before its first event.
        let from_start = random.below(10) == 0;
        let delay = Duration::from_nanos(random.below(longest.as_nanos() as u64));
        let (returned, dead) = victim.kill(delay, from_start);
        match dead {
            Some(dead) => check(&victim, &returned, dead),
            None => {
                assert!(from_start, "there was a first event, and there is no ring");
                assert_eq!(returned.iter().sum::<u64>(), 0, "no ring, and calls returned");
            }
        }
    }
}

const DEFAULT_RING: &str = "4194304";

#[test]
fn two_hundred_kills_lose_nothing_that_had_returned() {
    // The default ring holds 65,536: it never fills. Bursts fit the queue of 32,768; at a slow pace that never fills either,
    // unless the flusher gets no processor for a long time; such a victim is only counted.
    let slow = Victim { threads: 2, events: 30_000, spin: 5000, ring_bytes: DEFAULT_RING };
    let kinds = [
        (Victim { threads: 1, events: 30_000, spin: 0, ..slow }, Duration::from_micros(800)),
        (Victim { threads: 2, events: 15_000, spin: 0, ..slow }, Duration::from_micros(800)),
        (Victim { threads: 1, events: 60_000, ..slow }, Duration::from_millis(60)),
        (slow, Duration::from_millis(60)),
    ];
    let exact = Cell::new(0);
    kill_at_random(&kinds, 200, |victim, returned, dead| {
        if dead.counters.dropped() > 0 {
            return check_sum(victim, returned, &dead);
        }
        victim.check(returned, &dead);
        let at_work = returned.iter().any(|&count| count > 0 && count < victim.events);
        exact.set(exact.get() + u64::from(at_work));
    });
    assert!(exact.get() >= 80, "only {} of 200 died at work: that shows too little", exact.get());
}

/// Where events were dropped: every call is accounted for, but for one of each thread that may not have returned.
fn check_sum(victim: &Victim, returned: &[u64], dead: &Dead) {
    dead.check_counts();
    let returned: u64 = returned.iter().sum();
    let counted = dead.events.len() as u64 + dead.counters.dropped();
    assert!((returned..=returned + victim.threads).contains(&counted), "{counted} of {returned}");
}

#[test]
fn kills_while_the_queue_holds_events() {
    // A ring of 64 and a queue of 32,768 hold all that is reported: what the ring lacks comes from the queue.
    let victim = Victim { threads: 2, events: 15_000, spin: 100, ring_bytes: "4096" };
    let kinds = [
        (victim, Duration::from_millis(4)),
        (Victim { spin: 0, ..victim }, Duration::from_micros(800)),
        (Victim { threads: 1, events: 30_000, spin: 30, ..victim }, Duration::from_millis(4)),
    ];
    let from_queue = Cell::new(0);
    kill_at_random(&kinds, 60, |victim, returned, dead| {
        assert!(dead.from_ring <= 64);
        assert_eq!(dead.counters.dropped(), 0);
        from_queue.set(from_queue.get() + dead.recovery.from_queue);
        victim.check(returned, &dead);
    });
    assert!(from_queue.get() > 50_000, "hardly anything lay in the queue: {}", from_queue.get());
}

#[test]
fn kills_while_events_are_dropped_account_for_every_one() {
    let victim = Victim { threads: 2, events: 1 << 40, spin: 0, ring_bytes: "4096" };
    kill_at_random(&[(victim, Duration::from_millis(10))], 30, |victim, returned, dead| {
        check_sum(victim, returned, &dead);
    });
}

#[test]
fn a_killed_process_is_told_as_killed() {
    let victim = Victim { threads: 2, events: 4000, spin: 2000, ring_bytes: DEFAULT_RING };
    let mut random = Random::new();
    for _ in 0..10 {
        let files = folder();
        let words_file = files.path().join("words");
        let delay = Duration::from_micros(random.below(5000));
        let (outcome, report) = thread::scope(|scope| {
            scope.spawn(|| {
                wait_for_first(&words_file);
                pause(delay);
                signal("KILL", words(&words_file)[2]);
            });
            victim.run(&words_file).traced()
        });
        assert_eq!(outcome.code(), 128 + 9);
        let process = report.process();
        assert_eq!(process["ended"]["signal"], 9);
        let (reported, drained, lost) = Report::events(process);
        let returned: u64 = words(&words_file)[..2].iter().sum();
        assert!((returned..=returned + 2).contains(&drained), "{drained} of {returned}");
        assert!(lost <= 2 && reported == drained + lost, "{reported} {drained} {lost}");
        assert_eq!(process["live"][0]["state"], "orphaned");
        assert_eq!(process["live"].as_array().map(Vec::len), Some(drained as usize));
    }
}

#[test]
fn a_dead_ring_is_reported_listed_and_cleaned() {
    let (rings, files) = (folder(), folder());
    let words_file = files.path().join("words");
    let victim = Victim { threads: 1, events: 500, spin: 0, ring_bytes: "4096" };
    let mut child = victim.run(&words_file).preloaded(rings.path()).start();
    while words(&words_file).first() != Some(&500) {
        thread::sleep(Duration::from_millis(1));
    }
    let ttmem = || Run::new(command()).env("TTMEM_DIR", rings.path());
    let listed = ttmem().arg("ls").outcome();
    assert!(listed.stdout.contains("alive"), "{listed:?}");
    assert!(!ttmem().arg("clean").outcome().stdout.contains(".ring"), "the living keep theirs");
    assert_eq!(ring_files(rings.path()).len(), 1);
    child.kill().expect("SIGKILL");
    child.wait().expect("waiting for the killed");
    assert!(ttmem().arg("ls").outcome().stdout.contains("dead"));
    let json = files.path().join("report.json");
    let reported = ttmem().args(["report", "--quiet", "--json"]).arg(&json).arg(&ring_files(rings.path())[0]).outcome();
    assert_eq!(reported.code(), 0, "{}", reported.stderr);
    let report = Report::parse(&fs::read_to_string(&json).expect("the report"));
    assert_eq!(Report::events(report.process()), (500, 500, 0));
    assert_eq!(Report::totals(report.process(), 0, "DRAM").live_bytes, (1..=500).sum::<u64>());
    let cleaned = ttmem().arg("clean").outcome();
    assert_eq!(cleaned.code(), 0, "{}", cleaned.stderr);
    assert_eq!(ring_files(rings.path()).len(), 0, "{}", cleaned.stdout);
}
