//! A thread that stands still between claim and publish.

use loom::thread;

use super::{every_order, memory, payload};
use crate::{model::test_reader::TestReader, sync::Ordering};

/// A thread that has claimed number 0 publishes at any moment, while another fills the queue and the flusher skips the number that
/// falls on its slot: every event arrives once, and none is kept back.
#[test]
fn loom_a_claimed_number_that_is_published_late() {
    every_order(Some(4), || {
        let memory = memory(2, 8);
        memory.producers.claimed.0.store(1, Ordering::SeqCst);
        let slow = thread::spawn(move || {
            memory.queue[0].write_payload(&payload(10));
            memory.queue[0].words[0].store(1, Ordering::Release);
        });
        let producer =
            thread::spawn(move || (1..4).filter(|&value| memory.queue().push(&payload(value)).is_ok()).count());
        let mut drain = memory.drain();
        for _ in 0..2 {
            drain.drain_up_to(memory.queue().claimed());
        }
        let pushed = producer.join().unwrap() as u64;
        slow.join().unwrap();
        drain.drain_up_to(memory.queue().claimed());
        let mut reader = TestReader::new(0);
        memory.read(&mut reader);
        assert!(!drain.has_unpublished());
        assert_eq!(reader.seen.len() as u64, pushed + 1, "{:?}", reader.seen);
        assert_eq!(memory.queue().claimed() - memory.flusher.skipped(), pushed + 1);
        let others: Vec<u64> = reader.seen.iter().copied().filter(|&value| value != 10).collect();
        assert!(others.is_sorted(), "{others:?}");
        assert!(memory.queue().push(&payload(4)).is_ok(), "every slot is free again");
    });
}
