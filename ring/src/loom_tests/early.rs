//! A reader looks into the stage.

use loom::thread;

use super::{every_order, memory, one_and_another, payload};
use crate::{sync::Ordering, test_reader::TestReader};

/// A reader looks into the stage while a slot goes round: what it takes there is whole, and comes once. The record that lay there
/// was moved, and its slot is not yet given back.
#[test]
fn loom_looking_into_a_stage_that_goes_round() {
    every_order(Some(2), || {
        let memory = memory(1, 4);
        memory.stage().push(&payload(0)).unwrap();
        let mut mover = memory.mover();
        mover.move_up_to(1);
        memory.stage[0].words[0].store(1, Ordering::SeqCst);
        let producer = thread::spawn(move || {
            memory.stage().free(0);
            memory.stage().push(&payload(1)).unwrap();
            mover.move_up_to(2);
        });
        let mut reader = TestReader::new(0);
        memory.look_early(&mut reader);
        memory.drain(&mut reader);
        memory.look_early(&mut reader);
        producer.join().unwrap();
        memory.look_early(&mut reader);
        memory.drain(&mut reader);
        assert_eq!(reader.seen, [0, 1], "nothing twice, nothing missing");
    });
}

/// Two threads report, the mover moves, and a reader takes records from both places: each once, and in an order that the threads
/// can't contradict.
#[test]
fn loom_looking_early_keeps_what_threads_can_tell() {
    every_order(Some(3), || {
        let memory = memory(4, 4);
        let (first, second) = one_and_another(memory, || {
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
        assert_eq!(reader.seen.len(), 2, "nothing twice, nothing missing: {:?}", reader.seen);
        assert!(!in_order || reader.seen == [1, 2]);
    });
}

/// A reader that comes while 0 is still being written, and 1 was moved and taken by another, but lies in the stage still: it does
/// not look there before that is over.
#[test]
fn loom_a_late_reader_takes_nothing_that_another_has() {
    every_order(Some(4), || {
        let memory = memory(4, 4);
        memory.producers.claimed.0.store(1, Ordering::SeqCst);
        memory.stage().push(&payload(1)).unwrap();
        let mut mover = memory.mover();
        mover.move_up_to(2);
        memory.stage[1].words[0].store(1, Ordering::SeqCst);
        memory.reader.set_tail(1);
        let slow = thread::spawn(move || {
            memory.stage().free(1);
            memory.publish(0);
            memory.stage().push(&payload(2)).unwrap();
            mover.move_up_to(3);
        });
        let mut reader = TestReader::new(1);
        memory.look_early(&mut reader);
        memory.drain(&mut reader);
        memory.look_early(&mut reader);
        slow.join().unwrap();
        memory.look_early(&mut reader);
        memory.drain(&mut reader);
        assert_eq!(reader.seen, [0, 2]);
    });
}

/// A reader that comes while 0 and 1 are still being written, and 2 was moved and taken by another. Who writes 1 knows of 0: the
/// reader does not take 1 from the stage while it has not read the ring, where 0 may be by now.
#[test]
fn loom_a_late_reader_leaves_nothing_behind_in_the_ring() {
    every_order(Some(4), || {
        let memory = memory(4, 4);
        memory.producers.claimed.0.store(3, Ordering::SeqCst);
        memory.publish(2);
        let mut mover = memory.mover();
        mover.move_up_to(3);
        memory.reader.set_tail(1);
        let slow = thread::spawn(move || {
            memory.publish(0);
            mover.move_up_to(3);
            memory.publish(1);
            mover
        });
        let mut reader = TestReader::new(1);
        memory.look_early(&mut reader);
        memory.drain(&mut reader);
        memory.look_early(&mut reader);
        let mut mover = slow.join().unwrap();
        mover.move_up_to(3);
        memory.drain(&mut reader);
        assert_eq!(reader.seen, [0, 1]);
    });
}
