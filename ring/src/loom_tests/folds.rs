//! Room in the ring is given back, by the flusher that folds or by a reader, while others look.

use loom::thread;

use super::{Memory, every_order, memory, payload};
use crate::{Mover, sync::Ordering, test_reader::TestReader};

/// What a fold leaves, as a file system keeps it: the snapshot of one name, replaced as a whole. Its lock gives the order that
/// two system calls on one file have.
type Named = loom::sync::Arc<loom::sync::Mutex<(u64, Vec<u64>)>>;

fn named() -> Named {
    loom::sync::Arc::new(loom::sync::Mutex::new((0, Vec::new())))
}

/// One fold of all that is unread, step by step as the library does it. `lock` is 1 while somebody has the tail.
fn fold(mover: &mut Mover<'_>, lock: &loom::sync::atomic::AtomicU64, named: &Named) -> bool {
    if lock.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return false;
    }
    let unread = mover.unread().unwrap();
    let mut records = Vec::new();
    mover.copy(unread.clone(), &mut records);
    {
        let mut named = named.lock().unwrap();
        assert_eq!(named.0, unread.start, "a fold goes on where the last ended");
        named.0 = unread.end;
        named.1.extend(records.iter().map(|record| record.words[1]));
    }
    mover.release(unread.end);
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
fn late_look(make_room: fn(&'static Memory, &mut Mover<'_>, &Named)) {
    every_order(None, move || {
        let memory = memory(4, 2);
        let named = named();
        // 0 and 1 fill the ring, 2 waits.
        let mut mover = memory.mover();
        for value in 0..3 {
            memory.stage().push(&payload(value)).unwrap();
        }
        assert!(mover.move_up_to(3).ring_full);
        let others = {
            let named = loom::sync::Arc::clone(&named);
            thread::spawn(move || {
                make_room(memory, &mut mover, &named);
                assert!(!mover.move_up_to(3).ring_full);
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
fn loom_fold_against_a_late_look() {
    late_look(|_, mover, named| assert!(fold(mover, &loom::sync::atomic::AtomicU64::new(0), named)));
}

#[test]
fn loom_letting_go_of_a_record_against_a_late_look() {
    late_look(|memory, _, named| {
        *named.lock().unwrap() = (1, vec![0]);
        memory.reader.set_tail(1);
    });
}

/// A full ring is folded while two threads report: whatever the order was, at the end all is there, once.
#[test]
fn loom_fold_while_two_threads_report() {
    every_order(Some(2), || {
        let memory = memory(4, 2);
        let named = named();
        let producer = |value| thread::spawn(move || memory.stage().push(&payload(value)).is_ok());
        let producers = [producer(0), producer(1)];
        memory.stage().push(&payload(2)).unwrap();
        let lock = loom::sync::atomic::AtomicU64::new(0);
        let mut mover = memory.mover();
        if mover.move_up_to(memory.stage().claimed()).ring_full {
            assert!(fold(&mut mover, &lock, &named));
        }
        for producer in producers {
            assert!(producer.join().unwrap());
        }
        while mover.move_up_to(memory.stage().claimed()).ring_full {
            assert!(fold(&mut mover, &lock, &named));
        }
        let mut seen = memory.look(&named);
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2], "nothing twice, nothing missing");
    });
}

/// A draining reader comes while the flusher folds: one of the two has the tail, and the reader finds all, once.
#[test]
fn loom_fold_against_a_reader_that_takes_over() {
    every_order(Some(4), || {
        let memory = memory(4, 2);
        let named = named();
        let lock = loom::sync::Arc::new(loom::sync::atomic::AtomicU64::new(0));
        for value in 0..3 {
            memory.stage().push(&payload(value)).unwrap();
        }
        let flusher = {
            let (named, lock) = (loom::sync::Arc::clone(&named), loom::sync::Arc::clone(&lock));
            thread::spawn(move || {
                let mut mover = memory.mover();
                if mover.move_up_to(3).ring_full {
                    fold(&mut mover, &lock, &named);
                }
                mover.move_up_to(3);
                mover
            })
        };
        let mut seen = Vec::new();
        let drains = lock.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if drains {
            let (position, folded) = named.lock().unwrap().clone();
            let from = memory.reader.tail.0.load(Ordering::Acquire).max(position);
            let mut reader = TestReader { seen: folded, ..TestReader::new(from) };
            memory.drain(&mut reader);
            // It leaves what it knows, and goes.
            seen = reader.seen;
            *named.lock().unwrap() = (reader.position, seen.clone());
            memory.reader.set_tail(reader.position);
            lock.store(0, Ordering::Release);
        }
        let mut mover = flusher.join().unwrap();
        if mover.move_up_to(3).ring_full {
            assert!(fold(&mut mover, &lock, &named));
            mover.move_up_to(3);
        }
        assert!(!drains || seen == [0, 1, 2][..seen.len()], "{seen:?}");
        assert_eq!(memory.look(&named), [0, 1, 2]);
    });
}
