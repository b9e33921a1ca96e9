//! More threads and events than loom can go through, in random orders: four producers, the drain and a reader, on a queue of
//! four slots and a ring of eight. A failure prints the schedule, which `shuttle::replay` runs again.
//!
//!     RUSTFLAGS="--cfg shuttle" cargo test --release -p ttmem-ring --lib shuttle_

use std::collections::HashSet;

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    Drain, FlusherPage, PAYLOAD_WORDS, ProducerPage, Queue, ReaderPage, RingWriter, Slot,
    model::test_reader::TestReader, queue::recover,
};

const PRODUCERS: u64 = 4;
const EVENTS: u64 = 8;
const QUEUE: usize = 4;
const RING: usize = 8;
/// Orders that are tried, of each kind.
const ORDERS: usize = 60_000;
/// Changes of thread that the second kind is made for: a fault that needs no more is found with a known probability.
const DEPTH: usize = 4;

/// The shared memory of one process.
struct Memory {
    producers: ProducerPage,
    flusher: FlusherPage,
    reader: ReaderPage,
    queue: Vec<Slot>,
    ring: Vec<Slot>,
    at_work: AtomicUsize,
}

impl Memory {
    fn new() -> Arc<Self> {
        let slots = |count| (0..count).map(|_| Slot::default()).collect();
        Arc::new(Self {
            producers: ProducerPage::default(),
            flusher: FlusherPage::default(),
            reader: ReaderPage::default(),
            queue: slots(QUEUE),
            ring: slots(RING),
            at_work: AtomicUsize::new(PRODUCERS as usize),
        })
    }

    fn queue(&self) -> Queue<'_> {
        Queue::new(&self.producers, &self.queue)
    }

    fn read(&self, reader: &mut TestReader) {
        reader.drain(&self.flusher, &self.reader, &self.ring);
    }
}

/// Pushes its events; gives those that were taken. A full queue is tried again a few times.
fn produce(memory: &Memory, producer: u64, returned: &AtomicU64) -> Vec<u64> {
    let mut taken = Vec::new();
    for event in 0..EVENTS {
        let value = producer * 100 + event;
        for _ in 0..4 {
            if memory.queue().push(&[value; PAYLOAD_WORDS]).is_ok() {
                taken.push(value);
                returned.fetch_or(1 << (producer * EVENTS + event), Ordering::SeqCst);
                break;
            }
            thread::yield_now();
        }
    }
    memory.at_work.fetch_sub(1, Ordering::SeqCst);
    taken
}

fn start_producers(memory: &Arc<Memory>, returned: &Arc<AtomicU64>) -> Vec<thread::JoinHandle<Vec<u64>>> {
    let start = |producer| {
        let (memory, returned) = (Arc::clone(memory), Arc::clone(returned));
        thread::spawn(move || produce(&memory, producer, &returned))
    };
    (0..PRODUCERS).map(start).collect()
}

fn start_drain(memory: &Arc<Memory>, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (memory, stop) = (Arc::clone(memory), Arc::clone(stop));
    thread::spawn(move || {
        let ring = RingWriter::new(&memory.flusher, &memory.reader, &memory.ring);
        let mut drain = Drain::new(memory.queue(), ring);
        loop {
            let is_last = memory.at_work.load(Ordering::SeqCst) == 0;
            let drained = drain.drain_up_to(memory.queue().claimed());
            let is_empty = drain.waiting() == 0 && !drain.has_unpublished() && !drained.ring_full;
            if stop.load(Ordering::SeqCst) || (is_last && is_empty) {
                return;
            }
            thread::yield_now();
        }
    })
}

/// What threads push arrives once, whole, and in each thread's order, while the ring and the queue are full again and again.
fn everything_arrives() {
    let (memory, returned) = (Memory::new(), Arc::new(AtomicU64::new(0)));
    let producers = start_producers(&memory, &returned);
    let drain = start_drain(&memory, &Arc::new(AtomicBool::new(false)));
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (memory, done) = (Arc::clone(&memory), Arc::clone(&done));
        thread::spawn(move || {
            let mut reader = TestReader::new(0);
            loop {
                let is_last = done.load(Ordering::SeqCst);
                memory.read(&mut reader);
                if is_last {
                    return reader.seen;
                }
                thread::yield_now();
            }
        })
    };
    let sent: Vec<Vec<u64>> = producers.into_iter().map(|producer| producer.join().unwrap()).collect();
    drain.join().unwrap();
    done.store(true, Ordering::SeqCst);
    let seen = reader.join().unwrap();
    for sent in &sent {
        let arrived: Vec<u64> = seen.iter().copied().filter(|value| sent.contains(value)).collect();
        assert_eq!(&arrived, sent, "each thread's events, in its order");
    }
    assert_eq!(seen.len(), sent.iter().map(Vec::len).sum::<usize>(), "nothing twice, nothing missing");
    assert_eq!(seen.len() as u64, memory.queue().claimed() - memory.flusher.skipped());
}

/// The process dies at any moment, with a reader that had taken some: what it had, what the ring shows and what the queue
/// holds are together every event whose call had returned.
fn death_loses_nothing() {
    let (memory, returned) = (Memory::new(), Arc::new(AtomicU64::new(0)));
    let producers = start_producers(&memory, &returned);
    let stop = Arc::new(AtomicBool::new(false));
    let drain = start_drain(&memory, &stop);
    let mut reader = TestReader::new(0);
    for _ in 0..3 {
        thread::yield_now();
        memory.read(&mut reader);
    }
    // Now it looks as after a death. What still goes on behind its back can only move events from what it looks at first,
    // the queue, to what it looks at last, the ring.
    let had_returned = returned.load(Ordering::SeqCst);
    let mut in_queue = Vec::new();
    recover(memory.queue(), &[], &mut in_queue);
    memory.read(&mut reader);
    let seen = reader.seen;
    let found: HashSet<u64> = seen.iter().copied().chain(in_queue.iter().map(|record| record.words[1])).collect();
    for bit in (0..PRODUCERS * EVENTS).filter(|bit| had_returned >> bit & 1 == 1) {
        let value = bit / EVENTS * 100 + bit % EVENTS;
        assert!(found.contains(&value), "{value} had returned and is nowhere");
    }
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "nothing twice");
    stop.store(true, Ordering::SeqCst);
    producers.into_iter().for_each(|producer| drop(producer.join().unwrap()));
    drain.join().unwrap();
}

fn check(scenario: fn()) {
    let mut config = Config::new();
    // The pages of a ring file, on the stack as they are made, are larger than shuttle's own 32 KiB.
    config.stack_size = 256 * 1024;
    Runner::new(RandomScheduler::new(ORDERS), config.clone()).run(scenario);
    Runner::new(PctScheduler::new(DEPTH, ORDERS / 4), config).run(scenario);
}

#[test]
fn shuttle_everything_arrives() {
    check(everything_arrives);
}

#[test]
fn shuttle_death_loses_nothing() {
    check(death_loses_nothing);
}
