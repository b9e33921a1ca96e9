//! Threads that have lanes of their own.

use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    thread,
};

use super::{Memory, every_order, memory_with_lanes, payload};
use crate::{ASLEEP, AWAKE, heavy_fence, light_fence, recover::recover, sync::Ordering, test_reader::TestReader};

/// Time, as all threads read it: of two readings the later one is higher, and who reads it later sees what was seen before.
type Time = Arc<AtomicU64>;

/// Where a thread puts its event.
#[derive(Clone, Copy, Debug)]
enum Way {
    Shared,
    Lane(usize),
}

/// An event of this value, stamped now.
fn report(memory: &'static Memory, way: Way, time: &Time, value: u64) {
    let mut payload = payload(value);
    payload[0] = time.fetch_add(1, Ordering::AcqRel);
    let _ = match way {
        Way::Shared => memory.stage().push(&payload),
        Way::Lane(index) => memory.lane(index).push(&payload),
    }
    .unwrap();
}

/// An event of value 0 lies in the first lane. One thread reports 1; another looks whether that has returned, reports 2, and does the
/// rest.
fn one_and_another<T: 'static>(
    memory: &'static Memory,
    ways: [Way; 2],
    rest: impl FnOnce() -> T + 'static,
) -> (thread::JoinHandle<()>, thread::JoinHandle<(bool, T)>) {
    let (time, returned) = (Time::default(), Arc::new(AtomicBool::new(false)));
    report(memory, Way::Lane(0), &time, 0);
    let first = {
        let (time, returned) = (Arc::clone(&time), Arc::clone(&returned));
        thread::spawn(move || {
            report(memory, ways[0], &time, 1);
            returned.store(true, Ordering::Release);
        })
    };
    let second = thread::spawn(move || {
        let first_had_returned = returned.load(Ordering::Acquire);
        report(memory, ways[1], &time, 2);
        (first_had_returned, rest())
    });
    (first, second)
}

/// Ways that differ; the second thread's lane is read after the first's, and before it.
const WAYS: [[Way; 2]; 4] = [
    [Way::Lane(0), Way::Lane(1)],
    [Way::Lane(1), Way::Lane(0)],
    [Way::Shared, Way::Lane(0)],
    [Way::Lane(0), Way::Shared],
];

/// What had returned before another event began stands before it in the ring, whichever ways they went.
#[test]
fn loom_lanes_keep_what_threads_can_tell() {
    for ways in WAYS {
        every_order(Some(3), move || {
            let memory = memory_with_lanes(2, 4, 2, 2);
            let (first, second) = one_and_another(memory, ways, || ());
            let mut mover = memory.mover();
            mover.move_up_to(memory.stage().claimed());
            first.join().unwrap();
            let (in_order, ()) = second.join().unwrap();
            mover.move_up_to(memory.stage().claimed());
            let mut reader = TestReader::new(0);
            memory.drain(&mut reader);
            assert_eq!(reader.seen.len(), 3, "nothing twice, nothing missing");
            assert!(!in_order || reader.seen == [0, 1, 2], "{ways:?}: {:?}", reader.seen);
        });
    }
}

/// The same for a reader that takes records out of the stage too.
#[test]
fn loom_looking_into_lanes_keeps_what_threads_can_tell() {
    for ways in WAYS {
        every_order(Some(2), move || {
            let memory = memory_with_lanes(2, 4, 2, 2);
            let (first, second) = one_and_another(memory, ways, || {
                let mut mover = memory.mover();
                mover.move_up_to(memory.stage().claimed());
                mover
            });
            let mut reader = TestReader::new(0);
            memory.look_early(&mut reader);
            memory.drain(&mut reader);
            memory.look_early(&mut reader);
            first.join().unwrap();
            let (in_order, mut mover) = second.join().unwrap();
            memory.look_early(&mut reader);
            mover.move_up_to(memory.stage().claimed());
            memory.drain(&mut reader);
            assert_eq!(reader.seen.len(), 3, "nothing twice, nothing missing: {:?}", reader.seen);
            assert!(!in_order || reader.seen == [0, 1, 2], "{ways:?}: {:?}", reader.seen);
        });
    }
}

/// One thread reports twice, the first time into the stage, since its lane was being written or full: its order is kept too.
#[test]
fn loom_a_thread_that_changes_its_way_keeps_its_order() {
    for ways in [[Way::Shared, Way::Lane(0)], [Way::Lane(0), Way::Shared]] {
        every_order(Some(4), move || {
            let memory = memory_with_lanes(2, 4, 1, 2);
            let producer = thread::spawn(move || {
                let time = Time::default();
                report(memory, ways[0], &time, 1);
                report(memory, ways[1], &time, 2);
            });
            let mut mover = memory.mover();
            mover.move_up_to(memory.stage().claimed());
            producer.join().unwrap();
            mover.move_up_to(memory.stage().claimed());
            let mut reader = TestReader::new(0);
            memory.drain(&mut reader);
            assert_eq!(reader.seen, [1, 2]);
        });
    }
}

/// Slots of a lane go round: what its thread pushed arrives once, whole, and in order; what does not fit is refused.
#[test]
fn loom_a_lane_goes_round() {
    every_order(None, || {
        let memory = memory_with_lanes(1, 8, 1, 1);
        let producer = thread::spawn(move || {
            (1..6).filter(|&value| memory.lane(0).push(&payload(value)).is_ok()).collect::<Vec<_>>()
        });
        let mut mover = memory.mover();
        for _ in 0..3 {
            mover.move_up_to(0);
        }
        let taken = producer.join().unwrap();
        mover.move_up_to(0);
        let mut reader = TestReader::new(0);
        memory.drain(&mut reader);
        assert_eq!(reader.seen, taken);
    });
}

/// A reader looks into a lane while its slot goes round: what it takes is whole, and comes once. The record that lay there is in the
/// ring, and its slot not yet given back.
#[test]
fn loom_looking_into_a_lane_that_goes_round() {
    every_order(Some(2), || {
        let memory = memory_with_lanes(1, 4, 1, 1);
        memory.lane(0).push(&payload(1)).unwrap();
        let mut mover = memory.mover();
        mover.move_up_to(0);
        memory.flusher.moved.lanes[0].store(0, Ordering::SeqCst);
        memory.flusher.head.0.store(0, Ordering::SeqCst);
        let producer = thread::spawn(move || {
            memory.flusher.head.0.store(1, Ordering::Release);
            memory.lane(0).set_moved(1);
            memory.lane(0).push(&payload(2)).unwrap();
            mover.move_up_to(0);
        });
        let mut reader = TestReader::new(0);
        memory.look_early(&mut reader);
        memory.drain(&mut reader);
        memory.look_early(&mut reader);
        producer.join().unwrap();
        memory.look_early(&mut reader);
        memory.drain(&mut reader);
        assert_eq!(reader.seen, [1, 2], "nothing twice, nothing missing");
    });
}

/// The process dies at any moment: ring, stage and lane together hold every event whose call had returned.
#[test]
fn loom_death_loses_nothing_of_a_lane() {
    every_order(Some(3), || {
        let memory = memory_with_lanes(1, 2, 1, 2);
        let returned = Arc::new(AtomicU64::new(0));
        let producer = {
            let returned = Arc::clone(&returned);
            thread::spawn(move || {
                for value in 0..2 {
                    memory.lane(0).push(&payload(value)).unwrap();
                    returned.fetch_add(1, Ordering::Release);
                }
            })
        };
        let flusher = thread::spawn(move || {
            memory.mover().move_up_to(0);
        });
        // The reader looks now, wherever the two are: as if they had been killed. What it reads first can only grow.
        let had_returned = returned.load(Ordering::Acquire);
        let mut records = Vec::new();
        recover(memory.stage(), &[], &Default::default(), &mut records);
        let in_stage: Vec<u64> = records.iter().map(|record| record.words[1]).collect();
        let mut reader = TestReader::new(0);
        memory.drain(&mut reader);
        let in_ring = reader.seen;
        let found = (0..had_returned).all(|value| in_stage.contains(&value) || in_ring.contains(&value));
        assert!(found, "{had_returned} had returned; stage {in_stage:?}, ring {in_ring:?}");
        producer.join().unwrap();
        flusher.join().unwrap();
    });
}

/// A flusher that goes to sleep while a thread reports: it sees the event, or the thread sees that it sleeps and wakes it.
#[test]
fn loom_an_event_in_a_lane_wakes_the_flusher() {
    every_order(None, || {
        let memory = memory_with_lanes(1, 2, 1, 2);
        let producer = thread::spawn(move || {
            let mut wakes = false;
            for value in 0..2 {
                memory.lane(0).push(&payload(value)).unwrap();
                light_fence();
                wakes |= memory.flusher.sleeping().load(Ordering::Relaxed) != AWAKE;
            }
            wakes
        });
        memory.flusher.sleeping().store(ASLEEP, Ordering::Relaxed);
        let sleeps = heavy_fence() && memory.mover().reached_all();
        let wakes = producer.join().unwrap();
        assert!(!sleeps || wakes);
    });
}
