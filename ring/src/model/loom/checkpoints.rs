//! Records are released, by the flusher that writes checkpoints or by a reader, while others look.

use loom::thread;

use super::{Memory, every_order, memory, payload};
use crate::{Drain, model::test_reader::TestReader, sync::Ordering};

/// The checkpoint, as a file system keeps it: a file of one name, replaced as a whole. Its lock gives the order that two system
/// calls on one file have.
type Named = loom::sync::Arc<loom::sync::Mutex<(u64, Vec<u64>)>>;

fn named() -> Named {
    loom::sync::Arc::new(loom::sync::Mutex::new((0, Vec::new())))
}

/// Writes a checkpoint of all that is unreleased, step by step as the library does. `lock` is 1 while somebody has the tail lock.
fn checkpoint(drain: &mut Drain<'_>, lock: &loom::sync::atomic::AtomicU64, named: &Named) -> bool {
    if lock.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return false;
    }
    let unreleased = drain.unreleased().unwrap();
    let mut records = Vec::new();
    drain.peek(unreleased.clone(), &mut records);
    {
        let mut named = named.lock().unwrap();
        assert_eq!(named.0, unreleased.start, "a checkpoint goes on where the last ended");
        named.0 = unreleased.end;
        named.1.extend(records.iter().map(|record| record.words[1]));
    }
    drain.release(unreleased.end);
    lock.store(0, Ordering::Release);
    true
}

impl Memory {
    /// What a reader that only looks finds: the ring, copied first, then the snapshot, then what of the ring it lacks.
    fn look(&self, named: &Named) -> Vec<u64> {
        let tail = self.reader.tail.0.load(Ordering::Acquire);
        let head = self.flusher.head.0.load(Ordering::Acquire);
        let first = tail.max(head.saturating_sub(self.ring.len() as u64));
        // Two words of each stand for all: one that is torn shows, and loom has fewer orders to try.
        let word =
            |at: u64, word: usize| self.ring[at as usize & (self.ring.len() - 1)].words[word].load(Ordering::Relaxed);
        let copied: Vec<_> = (first..head).map(|at| (at, word(at, 1), word(at, 7))).collect();
        loom::sync::atomic::fence(Ordering::Acquire);
        let tail = self.reader.tail.0.load(Ordering::Acquire);
        let (position, mut seen) = named.lock().unwrap().clone();
        assert!(position >= first, "the ring begins no later than the snapshot ends");
        for (at, value, last) in copied.into_iter().filter(|&(at, ..)| at >= tail) {
            assert_eq!(value, last, "record {at} is whole");
            if at >= position {
                seen.push(value);
            }
        }
        seen
    }
}

/// Room in a full ring of two is made and used while somebody looks: it sees a beginning of the story, each event once, whole and
/// in order.
fn late_look(make_room: fn(&'static Memory, &mut Drain<'_>, &Named)) {
    every_order(None, move || {
        let memory = memory(4, 2);
        let named = named();
        // 0 and 1 fill the ring, 2 waits.
        let mut drain = memory.drain();
        for value in 0..3 {
            memory.queue().push(&payload(value)).unwrap();
        }
        assert!(drain.drain_up_to(3).ring_full);
        let others = {
            let named = loom::sync::Arc::clone(&named);
            thread::spawn(move || {
                make_room(memory, &mut drain, &named);
                assert!(!drain.drain_up_to(3).ring_full);
            })
        };
        let seen = memory.look(&named);
        assert_eq!(seen, [0, 1, 2][..seen.len()]);
        assert!(seen.len() >= 2, "what was in the ring before is seen: {seen:?}");
        others.join().unwrap();
        assert_eq!(memory.look(&named), [0, 1, 2], "nothing twice, nothing missing");
    });
}

#[test]
fn loom_checkpoint_against_a_late_look() {
    late_look(|_, drain, named| assert!(checkpoint(drain, &loom::sync::atomic::AtomicU64::new(0), named)));
}

#[test]
fn loom_a_release_against_a_late_look() {
    late_look(|memory, _, named| {
        *named.lock().unwrap() = (1, vec![0]);
        memory.reader.set_tail(1);
    });
}

/// A full ring gets a checkpoint while two threads report: whatever the order was, at the end all is there, once.
#[test]
fn loom_checkpoint_while_two_threads_report() {
    every_order(Some(2), || {
        let memory = memory(4, 2);
        let named = named();
        let producer = |value| thread::spawn(move || memory.queue().push(&payload(value)).is_ok());
        let producers = [producer(0), producer(1)];
        memory.queue().push(&payload(2)).unwrap();
        let lock = loom::sync::atomic::AtomicU64::new(0);
        let mut drain = memory.drain();
        if drain.drain_up_to(memory.queue().claimed()).ring_full {
            assert!(checkpoint(&mut drain, &lock, &named));
        }
        for producer in producers {
            assert!(producer.join().unwrap());
        }
        while drain.drain_up_to(memory.queue().claimed()).ring_full {
            assert!(checkpoint(&mut drain, &lock, &named));
        }
        let mut seen = memory.look(&named);
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2], "nothing twice, nothing missing");
    });
}

/// A draining reader comes while the flusher writes a checkpoint: one of the two has the tail, and the reader finds all, once.
#[test]
fn loom_checkpoint_against_a_reader_that_takes_over() {
    every_order(Some(4), || {
        let memory = memory(4, 2);
        let named = named();
        let lock = loom::sync::Arc::new(loom::sync::atomic::AtomicU64::new(0));
        for value in 0..3 {
            memory.queue().push(&payload(value)).unwrap();
        }
        let flusher = {
            let (named, lock) = (loom::sync::Arc::clone(&named), loom::sync::Arc::clone(&lock));
            thread::spawn(move || {
                let mut drain = memory.drain();
                if drain.drain_up_to(3).ring_full {
                    checkpoint(&mut drain, &lock, &named);
                }
                drain.drain_up_to(3);
                drain
            })
        };
        let mut seen = Vec::new();
        let drains = lock.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if drains {
            let (position, folded) = named.lock().unwrap().clone();
            let from = memory.reader.tail.0.load(Ordering::Acquire).max(position);
            let mut reader = TestReader { seen: folded, ..TestReader::new(from) };
            memory.read(&mut reader);
            // It leaves what it knows, and goes.
            seen = reader.seen;
            *named.lock().unwrap() = (reader.position, seen.clone());
            memory.reader.set_tail(reader.position);
            lock.store(0, Ordering::Release);
        }
        let mut drain = flusher.join().unwrap();
        if drain.drain_up_to(3).ring_full {
            assert!(checkpoint(&mut drain, &lock, &named));
            drain.drain_up_to(3);
        }
        assert!(!drains || seen == [0, 1, 2][..seen.len()], "{seen:?}");
        assert_eq!(memory.look(&named), [0, 1, 2]);
    });
}
