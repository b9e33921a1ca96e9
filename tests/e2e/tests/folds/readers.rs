//! Readers that are killed or stopped while they drain.

use std::{
    fs,
    io::Write,
    path::Path,
    process::Child,
    thread,
    time::{Duration, Instant},
};

use ttmem_e2e::{Random, Report, Run, Steady, number, signal, wait_for};

use crate::scene::{SMALL, Scene, keeping_drainer};

/// Drains as `ttmem run` does, until it is killed.
fn drainer(rings: &Path) -> Child {
    Run::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "readers::drains_until_it_is_killed", "--ignored", "--nocapture"])
        .env("TTMEM_DRAIN", rings)
        .start()
}

#[test]
#[ignore = "what other tests start"]
fn drains_until_it_is_killed() {
    let Some(rings) = std::env::var_os("TTMEM_DRAIN") else { return };
    let mut drainer = keeping_drainer(Path::new(&rings));
    let _ = std::io::stdout().flush();
    drainer.run_until(&std::sync::atomic::AtomicBool::new(false));
}

#[test]
fn readers_are_killed_while_they_drain_and_the_next_one_knows_all() {
    let mut random = Random::new();
    println!("TTMEM_TEST_SEED={}", random.seed);
    for round in 0..number("TTMEM_TEST_ROUNDS", 40) / 4 {
        let steady = Steady {
            threads: 1 + round % 2,
            // The last so few events that the reader takes them out of the queue.
            spin: [300, 2000, 200_000][round as usize / 2 % 3],
            ring_bytes: [4096, 65_536, 1 << 20][round as usize % 3],
            ..SMALL
        };
        let mut scene = Scene::start(steady);
        for _ in 0..6 {
            let mut reader = drainer(scene.rings.path());
            thread::sleep(Duration::from_micros(5000 + random.below(30_000)));
            reader.kill().expect("SIGKILL");
            reader.wait().expect("waiting for the killed");
            let seen = scene.report();
            let after: Vec<u64> = scene.returned().iter().map(|events| events + 1).collect();
            steady.check(seen.process(), &[0; 2], &after);
            // Now and then the process itself goes on folding.
            thread::sleep(Duration::from_micros(random.below(10_000)));
        }
        scene.kill();
        scene.check_dead();
    }
}

#[test]
fn while_a_reader_is_stopped_nothing_is_folded_and_losses_are_counted() {
    let steady = Steady { spin: 0, on_full: "drop", ..SMALL };
    let mut scene = Scene::start(steady);
    scene.ring();
    let mut reader = drainer(scene.rings.path());
    let drains = || {
        let ring = ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").lock_for_draining();
        ring.is_err_and(|taken| taken.pid == reader.id()).then_some(())
    };
    wait_for("reader", drains);
    signal("STOP", reader.id());
    thread::sleep(Duration::from_millis(50));
    let seen = || fs::metadata(scene.snapshot()).and_then(|file| file.modified()).ok();
    let before = seen();
    thread::sleep(Duration::from_millis(number("TTMEM_TEST_STOP_MS", 500)));
    assert_eq!(seen(), before, "a reader has the ring: nothing is folded");
    let dropped = || ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").counters().dropped();
    let earlier = dropped();
    wait_for("events that are lost meanwhile", || (dropped() > earlier).then_some(()));
    let dropped = dropped();
    reader.kill().expect("SIGKILL");
    reader.wait().expect("waiting for the killed");
    wait_for("more folding", || (seen() != before).then_some(()));
    scene.kill();
    let report = scene.report();
    let (reported, drained, lost) = Report::events(report.process());
    assert_eq!(reported, drained + lost);
    assert!(lost > dropped / 2);
    let returned: u64 = scene.returned().iter().sum();
    // The call that a thread was killed in may be counted, or half written.
    assert!((returned..=returned + 2).contains(&reported), "{reported} of {returned}");
    let events = |device| {
        let totals = Report::totals(report.process(), device, "DRAM");
        totals.allocations + totals.frees
    };
    let unmatched = report.process()["unmatched_frees"].as_u64().expect("unmatched_frees");
    assert_eq!(events(0) + events(1) + unmatched, drained);
}

#[test]
fn a_stopped_reader_makes_a_program_wait_no_longer_than_it_may() {
    let steady = Steady { threads: 1, spin: 0, on_full: "block:20", events: 200_000, waits: false, ..SMALL };
    let scene = Scene::start_with(steady, |run| run.env("TTMEM_FOLD", "0"));
    let mut scene = scene;
    wait_for("a full queue", || {
        let counters = ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").counters();
        (counters.dropped() > 3).then_some(())
    });
    let from = (Instant::now(), ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").counters().dropped());
    thread::sleep(Duration::from_millis(500));
    let dropped = ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").counters().dropped() - from.1;
    let each = from.0.elapsed() / dropped.max(1) as u32;
    assert!((15..100).contains(&each.as_millis()), "{each:?}");
    scene.kill();
}
