//! The words by which flusher and reader wake each other, and the clock.

use loom::thread;

use super::{every_order, memory, payload};

/// A reader parks while the flusher publishes a record: it sees the record, or the flusher sees that it is parked and
/// changes the word on which it sleeps.
#[test]
fn loom_a_reader_that_parks_is_woken() {
    every_order(None, || {
        let memory = memory(2, 2);
        let reader = thread::spawn(move || memory.flusher.park(&memory.reader, 0));
        memory.queue().push(&payload(1)).unwrap();
        let mut drain = memory.drain();
        drain.drain_up_to(1);
        let was_woken = drain.parked_reader().is_some();
        let parked = reader.join().unwrap();
        assert!(memory.wakes_up(parked, was_woken), "it would sleep: {parked:?}, {was_woken}");
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
