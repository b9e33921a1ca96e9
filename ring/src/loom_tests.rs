//! Every order in which two producers, the mover and a reader can meet, on a stage of two slots and a ring of two.
//!
//!     RUSTFLAGS="--cfg loom" cargo test --release -p ttmem-ring --lib loom_

use loom::thread;

use crate::{
    AWAKE, FlusherPage, Mover, NAPPING_LONG, PAYLOAD_WORDS, ProducerPage, ReaderPage, RingWriter, Slot, Stage,
    bell::Until, early::Early, recover::recover, sync::Ordering, test_reader::TestReader,
};

/// The shared memory of one process, leaked: loom counts executions, not bytes.
struct Memory {
    producers: ProducerPage,
    flusher: FlusherPage,
    reader: ReaderPage,
    stage: Vec<Slot>,
    ring: Vec<Slot>,
}

fn memory(stage: usize, ring: usize) -> &'static Memory {
    let slots = |count| (0..count).map(|_| Slot::default()).collect();
    Box::leak(Box::new(Memory {
        producers: ProducerPage::default(),
        flusher: FlusherPage::default(),
        reader: ReaderPage::default(),
        stage: slots(stage),
        ring: slots(ring),
    }))
}

impl Memory {
    /// Whether a reader that was told to wait so comes back by itself, or is rung for.
    fn wakes_up(&self, until: Until, rung: bool) -> bool {
        match until {
            Until::Now | Until::Soon => true,
            Until::Rung(word) => rung && word != self.flusher.bell.0.load(Ordering::Acquire),
        }
    }

    fn stage(&'static self) -> Stage<'static> {
        Stage::new(&self.producers, &self.stage)
    }

    fn mover(&'static self) -> Mover<'static> {
        Mover::new(self.stage(), RingWriter::new(&self.flusher, &self.reader, &self.ring))
    }

    fn drain(&self, reader: &mut TestReader) {
        reader.drain(&self.flusher, &self.reader, &self.ring);
    }

    fn look_early(&'static self, reader: &mut TestReader) {
        reader.look(self.stage(), &self.flusher);
    }
}

/// Runs a model in every order, with so many changes of thread that nobody asked for. loom notes the last access to an atomic alone:
/// where a thread reads what it is going to write, it may see no conflict with another's earlier read, and try one order. Such
/// a model could not fail, so it does.
fn every_order(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let orders = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = orders.load(Ordering::Relaxed);
    println!("{orders} orders");
    assert!(orders >= 20, "{orders} orders were tried");
}

fn payload(value: u64) -> [u64; PAYLOAD_WORDS] {
    [value; PAYLOAD_WORDS]
}

/// What two threads push arrives once, whole, and in each thread's order; what does not fit is refused to its caller.
#[test]
fn loom_two_producers_and_the_mover() {
    every_order(Some(3), || {
        let memory = memory(2, 4);
        let producer = |first: u64| {
            thread::spawn(move || {
                let stage = memory.stage();
                (first..first + 2).filter(|&value| stage.push(&payload(value)).is_ok()).collect::<Vec<_>>()
            })
        };
        let others = producer(10);
        let mut mover = memory.mover();
        let ours: Vec<u64> = (20..22)
            .filter(|&value| {
                let taken = memory.stage().push(&payload(value)).is_ok();
                mover.move_up_to(memory.stage().claimed());
                taken
            })
            .collect();
        let theirs = others.join().unwrap();
        mover.move_up_to(memory.stage().claimed());
        let mut reader = TestReader::new(0);
        memory.drain(&mut reader);
        let seen = reader.seen;
        for sent in [theirs, ours] {
            let in_ring: Vec<u64> = seen.iter().copied().filter(|value| sent.contains(value)).collect();
            assert_eq!(in_ring, sent, "each thread's events, in its order");
        }
        assert_eq!(seen.len() as u64, memory.stage().claimed(), "nothing twice, nothing missing");
    });
}

/// One thread pushes 1; another looks whether that has returned, pushes 2, and does the rest.
fn one_and_another<T: 'static>(
    memory: &'static Memory,
    rest: impl FnOnce() -> T + 'static,
) -> (thread::JoinHandle<()>, thread::JoinHandle<(bool, T)>) {
    let returned = loom::sync::Arc::new(loom::sync::atomic::AtomicBool::new(false));
    let first = {
        let returned = loom::sync::Arc::clone(&returned);
        thread::spawn(move || {
            memory.stage().push(&payload(1)).unwrap();
            returned.store(true, Ordering::Release);
        })
    };
    let second = thread::spawn(move || {
        let first_had_returned = returned.load(Ordering::Acquire);
        memory.stage().push(&payload(2)).unwrap();
        (first_had_returned, rest())
    });
    (first, second)
}

/// What had returned before another event began stands before it in the ring, though the mover waits for nobody.
#[test]
fn loom_the_ring_keeps_what_threads_can_tell() {
    every_order(Some(4), || {
        let memory = memory(4, 4);
        let (first, second) = one_and_another(memory, || ());
        let mut mover = memory.mover();
        mover.move_up_to(memory.stage().claimed());
        first.join().unwrap();
        let (in_order, ()) = second.join().unwrap();
        mover.move_up_to(memory.stage().claimed());
        let mut reader = TestReader::new(0);
        memory.drain(&mut reader);
        let seen = reader.seen;
        assert_eq!(seen.len(), 2);
        assert!(!in_order || seen == [1, 2]);
    });
}

/// A reader drains while the mover writes: records are whole, in order, and the room that the reader gives back is used.
#[test]
fn loom_ring_against_reader() {
    every_order(None, || {
        let memory = memory(4, 2);
        for value in 0..3 {
            memory.stage().push(&payload(value)).unwrap();
        }
        let reader = thread::spawn(move || {
            let mut reader = TestReader::new(0);
            memory.drain(&mut reader);
            memory.drain(&mut reader);
            reader
        });
        let mut mover = memory.mover();
        mover.move_up_to(3);
        let mut reader = reader.join().unwrap();
        // Where the reader came too early, the third had no room yet; now it has.
        memory.drain(&mut reader);
        assert!(!mover.move_up_to(3).ring_full);
        memory.drain(&mut reader);
        assert_eq!(reader.seen, [0, 1, 2]);
    });
}

/// The process dies at any moment: ring and stage together hold every event whose call had returned, once.
#[test]
fn loom_death_between_any_two_steps() {
    every_order(Some(4), || {
        let memory = memory(2, 2);
        let returned = loom::sync::Arc::new(loom::sync::atomic::AtomicU64::new(0));
        let producer = {
            let returned = loom::sync::Arc::clone(&returned);
            thread::spawn(move || {
                for value in 0..2 {
                    if memory.stage().push(&payload(value)).is_ok() {
                        returned.fetch_add(1, Ordering::Release);
                    }
                }
            })
        };
        let flusher = thread::spawn(move || {
            let mut mover = memory.mover();
            mover.move_up_to(memory.stage().claimed());
        });
        // The reader looks now, wherever the two are: as if they had been killed. What it reads first can only grow.
        let had_returned = returned.load(Ordering::Acquire);
        let mut records = Vec::new();
        recover(memory.stage(), &[], &Early::new(0), &mut records);
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
        for (at, value, last) in copied.into_iter().filter(|&(at, ..)| at >= tail && at >= position) {
            assert_eq!(value, last, "record {at} is whole");
            seen.push(value);
        }
        seen
    }
}

/// A full ring of two is folded while somebody looks: it sees a beginning of the story, each event once, whole and in order.
#[test]
fn loom_fold_against_a_late_look() {
    every_order(None, || {
        let memory = memory(4, 2);
        let named = named();
        // 0 and 1 fill the ring, 2 waits.
        let mut mover = memory.mover();
        for value in 0..3 {
            memory.stage().push(&payload(value)).unwrap();
        }
        assert!(mover.move_up_to(3).ring_full);
        let flusher = {
            let named = loom::sync::Arc::clone(&named);
            thread::spawn(move || {
                let lock = loom::sync::atomic::AtomicU64::new(0);
                assert!(fold(&mut mover, &lock, &named));
                assert!(!mover.move_up_to(3).ring_full);
            })
        };
        let seen = memory.look(&named);
        assert_eq!(seen, [0, 1, 2][..seen.len()]);
        assert!(seen.len() >= 2, "what was in the ring before is seen: {seen:?}");
        flusher.join().unwrap();
        assert_eq!(memory.look(&named), [0, 1, 2], "nothing twice, nothing missing");
    });
}

/// The same, and two threads report meanwhile: whatever the order was, at the end all is there, once.
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

/// A reader that goes to sleep while the flusher shows a record: it sees the record, or the flusher sees that it waits and
/// changes the word on which it sleeps.
#[test]
fn loom_a_reader_that_waits_is_rung_for() {
    every_order(None, || {
        let memory = memory(2, 2);
        let reader = thread::spawn(move || memory.flusher.says_it_waits(&memory.reader, 0, true));
        memory.stage().push(&payload(1)).unwrap();
        let mut mover = memory.mover();
        mover.move_up_to(1);
        let rung = mover.bell_to_ring().is_some();
        let until = reader.join().unwrap();
        assert!(memory.wakes_up(until, rung), "it would sleep: {until:?}, {rung}");
    });
}

/// The same while the flusher goes to nap for long: the reader sees that, and looks again soon.
#[test]
fn loom_a_reader_that_waits_hears_of_a_long_nap() {
    every_order(None, || {
        let memory = memory(2, 2);
        memory.flusher.sleeping().store(AWAKE, Ordering::SeqCst);
        let reader = thread::spawn(move || memory.flusher.says_it_waits(&memory.reader, 0, true));
        let mover = memory.mover();
        memory.flusher.sleeping().store(NAPPING_LONG, Ordering::SeqCst);
        let rung = mover.bell_to_ring().is_some();
        let until = reader.join().unwrap();
        assert!(memory.wakes_up(until, rung), "it would sleep: {until:?}, {rung}");
    });
}

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
            for word in &memory.stage[0].words[1..] {
                word.store(0, Ordering::Relaxed);
            }
            memory.stage[0].words[0].store(1, Ordering::Release);
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
