//! Threads that take turns: what one had reported before another began stands before it, whichever way the two events went.

use ttmem_e2e::{Report, Run, c_program, dead_rings, folder, number};
use ttmem_wire::Target;

/// Threads, and events, fewer than the program's own part of shared memory holds. Two threads have a core each here; of twelve some have
/// none, and each turn takes long.
const RELAYS: [(u64, u64); 2] = [(2, 20_000), (12, 2_000)];

fn relay(threads: u64, events: u64) -> Run {
    Run::new(c_program("relay.c")).args([threads, events].map(|number| number.to_string()))
}

/// `TTMEM_TEST_ROUNDS=300` for more.
#[test]
fn what_one_thread_knows_of_another_is_in_the_ring_in_that_order() {
    for round in 0..number("TTMEM_TEST_ROUNDS", 6) {
        for (threads, events) in RELAYS {
            // The small ring is full at once, and the rest comes out of the queue of the dead process.
            for (ring_bytes, clock) in [("4194304", ""), ("4096", ""), ("4194304", "monotonic")] {
                let rings = folder();
                let run = relay(threads, events).preloaded(rings.path()).env("TTMEM_CLOCK", clock);
                let outcome = run.env("TTMEM_RING_BYTES", ring_bytes).env("TTMEM_FOLD", "0").outcome();
                assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
                let dead = dead_rings(rings.path()).remove(0);
                dead.check_counts();
                assert_eq!(dead.counters.dropped(), 0);
                let numbers = dead.events.iter().enumerate().map(|(at, event)| (at as u64, event.address));
                let wrong = numbers.filter(|&(at, address)| address != at & !1).count();
                assert_eq!(wrong, 0, "round {round}, {threads} threads, ring of {ring_bytes}, clock {clock:?}");
                assert_eq!(dead.events.len() as u64, events);
            }
        }
    }
}

#[test]
fn no_free_overtakes_its_allocation_on_the_way_to_a_live_reader() {
    for (threads, events) in RELAYS {
        let events = 20 * events;
        let (outcome, report) = relay(threads, events).traced();
        assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
        let process = report.process();
        assert_eq!(Report::events(process), (events, events, 0));
        assert_eq!(process["unmatched_frees"], 0);
        assert_eq!(Report::totals(process, 0, "DRAM").live_buffers, 0);
    }
}

#[test]
fn threads_that_come_and_go_keep_their_order() {
    const COMERS: u64 = 40;
    const EACH: u64 = 50;
    let rings = folder();
    let run = Run::new(c_program("comers.c")).args([COMERS, EACH].map(|number| number.to_string()));
    assert_eq!(run.preloaded(rings.path()).outcome().code(), 0);
    let dead = dead_rings(rings.path()).remove(0);
    dead.check_counts();
    for (thread, events) in (0..).zip(dead.events.chunks(EACH as usize)) {
        let expected: Vec<u64> = (0..EACH).collect();
        assert_eq!(events.iter().map(|event| event.address).collect::<Vec<_>>(), expected, "thread {thread}");
        assert!(events.iter().all(|event| event.target == Target::Device(thread)), "one thread after the other");
    }
    assert_eq!(dead.events.len() as u64, COMERS * EACH);
}
