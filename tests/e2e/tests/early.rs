//! Programs that report few events: the flusher naps for long, and the reader takes them out of the stage. Kills lose nothing
//! then either.

use std::{
    thread,
    time::{Duration, Instant},
};

use ttmem_e2e::{Random, Run, Steady, command, folder, number, ring_files, signal, wait_for};
use ttmem_ring::RingReader;

/// One thread, some 10 to 20 thousand events a second.
const SLOW: Steady = Steady { threads: 1, spin: 200_000, ..Steady::SMALL };

/// `TTMEM_TEST_ROUNDS=300` for more.
#[test]
fn a_program_killed_while_its_reader_is_ahead_is_known_to_the_last_event() {
    // Built before anybody waits for what it does.
    command();
    let mut random = Random::new();
    println!("TTMEM_TEST_SEED={}", random.seed);
    for round in 0..number("TTMEM_TEST_ROUNDS", 20) {
        let files = folder();
        let words = files.path().join("words");
        let steady = Steady { threads: 1 + round % 2, ring_bytes: [4096, 65_536][round as usize / 2 % 2], ..SLOW };
        let delay = Duration::from_micros(random.below(60_000));
        let (outcome, report) = thread::scope(|scope| {
            scope.spawn(|| {
                wait_for("its first event", || (steady.returned(&words)[0] > 0).then_some(()));
                thread::sleep(delay);
                signal("KILL", steady.pid(&words));
            });
            steady.run(&words).traced()
        });
        assert_eq!(outcome.code(), 128 + 9);
        let returned = steady.returned(&words);
        let most: Vec<u64> = returned.iter().map(|events| events + 1).collect();
        steady.check(report.process(), &returned, &most);
    }
}

#[test]
fn while_few_events_come_and_a_reader_drains_the_flusher_naps_longer() {
    let (rings, files) = (folder(), folder());
    let mut child = SLOW.run(&files.path().join("words")).preloaded(rings.path()).start();
    let ring = wait_for("a ring", || ring_files(rings.path()).pop());
    // How often the ring's head moves within some time.
    let looker = RingReader::open(&ring).expect("the ring");
    let moves = || {
        let (since, mut moves, mut last) = (Instant::now(), 0_u32, looker.counters().head);
        while since.elapsed() < Duration::from_millis(500) {
            let head = looker.counters().head;
            moves += u32::from(head != last);
            last = head;
            thread::sleep(Duration::from_micros(200));
        }
        moves
    };
    let alone = moves();
    let mut follower = Run::new(command()).args(["follow", "--until-exit"]).arg(&ring).start();
    wait_for("a reader", || {
        let taken = RingReader::open(&ring).expect("the ring").lock_for_draining();
        taken.is_err().then_some(())
    });
    let drained = moves();
    let _ = (child.kill(), follower.kill());
    let _ = (child.wait(), follower.wait());
    assert!(drained * 2 < alone, "{drained} moves while a reader drains, {alone} without");
}
