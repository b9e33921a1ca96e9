//! Queue, drain, ring and reader, and a death.

use loom::thread;

use super::{every_order, memory, one_and_another, payload};
use crate::{model::test_reader::TestReader, queue::recover, sync::Ordering};

/// What two threads push arrives once, whole, and in each thread's order; what does not fit is refused to its caller.
#[test]
fn loom_two_producers_and_the_drain() {
    every_order(Some(3), || {
        let memory = memory(2, 4);
        let producer = |first: u64| {
            thread::spawn(move || {
                let queue = memory.queue();
                (first..first + 2).filter(|&value| queue.push(&payload(value)).is_ok()).collect::<Vec<_>>()
            })
        };
        let others = producer(10);
        let mut drain = memory.drain();
        let ours: Vec<u64> = (20..22)
            .filter(|&value| {
                let taken = memory.queue().push(&payload(value)).is_ok();
                drain.drain_up_to(memory.queue().claimed());
                taken
            })
            .collect();
        let theirs = others.join().unwrap();
        drain.drain_up_to(memory.queue().claimed());
        let mut reader = TestReader::new(0);
        memory.read(&mut reader);
        let seen = reader.seen;
        for sent in [theirs, ours] {
            let in_ring: Vec<u64> = seen.iter().copied().filter(|value| sent.contains(value)).collect();
            assert_eq!(in_ring, sent, "each thread's events, in its order");
        }
        assert_eq!(
            seen.len() as u64,
            memory.queue().claimed() - memory.flusher.skipped(),
            "nothing twice, nothing missing"
        );
    });
}

/// What had returned before another event began stands before it in the ring, though the drain waits for nobody.
#[test]
fn loom_the_ring_keeps_what_threads_can_tell() {
    every_order(Some(4), || {
        let memory = memory(4, 4);
        let (first, second) = one_and_another(memory, || ());
        let mut drain = memory.drain();
        drain.drain_up_to(memory.queue().claimed());
        first.join().unwrap();
        let (in_order, ()) = second.join().unwrap();
        drain.drain_up_to(memory.queue().claimed());
        let mut reader = TestReader::new(0);
        memory.read(&mut reader);
        let seen = reader.seen;
        assert_eq!(seen.len(), 2);
        assert!(!in_order || seen == [1, 2]);
    });
}

/// A reader drains while the drain writes: records are whole, in order, and the room that the reader gives back is used.
#[test]
fn loom_ring_against_reader() {
    every_order(None, || {
        let memory = memory(4, 2);
        for value in 0..3 {
            memory.queue().push(&payload(value)).unwrap();
        }
        let reader = thread::spawn(move || {
            let mut reader = TestReader::new(0);
            memory.read(&mut reader);
            memory.read(&mut reader);
            reader
        });
        let mut drain = memory.drain();
        drain.drain_up_to(3);
        let mut reader = reader.join().unwrap();
        // Where the reader came too early, the third had no room yet; now it has.
        memory.read(&mut reader);
        assert!(!drain.drain_up_to(3).ring_full);
        memory.read(&mut reader);
        assert_eq!(reader.seen, [0, 1, 2]);
    });
}

/// The process dies at any moment: ring and queue together hold every event whose call had returned, once.
#[test]
fn loom_death_between_any_two_steps() {
    every_order(Some(4), || {
        let memory = memory(2, 2);
        let returned = loom::sync::Arc::new(loom::sync::atomic::AtomicU64::new(0));
        let producer = {
            let returned = loom::sync::Arc::clone(&returned);
            thread::spawn(move || {
                for value in 0..2 {
                    if memory.queue().push(&payload(value)).is_ok() {
                        returned.fetch_add(1, Ordering::Release);
                    }
                }
            })
        };
        let flusher = thread::spawn(move || {
            let mut drain = memory.drain();
            drain.drain_up_to(memory.queue().claimed());
        });
        // The reader looks now, wherever the two are: as if they had been killed. What it reads first can only grow.
        let had_returned = returned.load(Ordering::Acquire);
        let mut records = Vec::new();
        recover(memory.queue(), &[], &mut records);
        let in_queue: Vec<u64> = records.iter().map(|record| record.words[1]).collect();
        let mut reader = TestReader::new(0);
        memory.read(&mut reader);
        let in_ring = reader.seen;
        let found = (0..had_returned).all(|value| in_queue.contains(&value) || in_ring.contains(&value));
        assert!(found, "{had_returned} had returned; queue {in_queue:?}, ring {in_ring:?}");
        producer.join().unwrap();
        flusher.join().unwrap();
    });
}
