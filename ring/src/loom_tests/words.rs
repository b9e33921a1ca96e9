//! The words with which flusher and reader tell of themselves.

use loom::thread;

use super::{every_order, memory, payload};

/// A reader that goes to sleep while the flusher shows a record: it sees the record, or the flusher sees that it waits and
/// changes the word on which it sleeps.
#[test]
fn loom_a_reader_that_waits_is_rung_for() {
    every_order(None, || {
        let memory = memory(2, 2);
        let reader = thread::spawn(move || memory.flusher.says_it_waits(&memory.reader, 0));
        memory.stage().push(&payload(1)).unwrap();
        let mut mover = memory.mover();
        mover.move_up_to(1);
        let rung = mover.bell_to_ring().is_some();
        let until = reader.join().unwrap();
        assert!(memory.wakes_up(until, rung), "it would sleep: {until:?}, {rung}");
    });
}

/// The clock is written down while somebody reads it: the pair belongs together, or there is none.
#[test]
fn loom_the_clock_is_read_whole() {
    every_order(None, || {
        let memory = memory(1, 1);
        memory.flusher.note_clock(1, 1);
        let flusher = thread::spawn(move || {
            memory.flusher.note_clock(2, 2);
        });
        if let Some((ticks, nanoseconds)) = memory.flusher.clock() {
            assert_eq!(ticks, nanoseconds);
        }
        flusher.join().unwrap();
        assert_eq!(memory.flusher.clock(), Some((2, 2)));
    });
}
