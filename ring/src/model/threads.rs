//! Producers, the drain and a reader in one process, at full speed; for ThreadSanitizer too (`make test-tsan`).
//!
//! Each event names a plain word, not an atomic, that its thread has written just before. The reader reads that word: if the
//! way from the one to the other lacked a Release or an Acquire, that would be a data race, which the sanitizer sees.

use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    CreateOptions, Drain, FlusherPage, PAYLOAD_WORDS, ProducerPage, Queue, ReaderPage, RingFile, RingReader,
    RingWriter, Slot,
};

const PRODUCERS: usize = 4;
const EVENTS: usize = 20_000;

/// Words that one thread writes and another reads, with nothing between them but the ring.
struct Plain(Vec<UnsafeCell<u64>>);

// SAFETY: who reads a word has drained the event that was pushed after the only write to it.
unsafe impl Sync for Plain {}

fn push(queue: Queue<'_>, plain: &Plain, producer: usize) {
    for event in 0..EVENTS {
        let index = producer * EVENTS + event;
        // SAFETY: this thread alone writes this word, once.
        unsafe { *plain.0[index].get() = index as u64 + 1 };
        while queue.push(&[index as u64; PAYLOAD_WORDS]).is_err() {
            thread::yield_now();
        }
    }
}

/// Checks an event, and the word that it names.
fn check(plain: &Plain, next: &mut [usize; PRODUCERS], words: &[u64]) {
    let index = words[1] as usize;
    assert!(words[1..].iter().all(|&word| word == index as u64), "a record is whole: {words:?}");
    // SAFETY: see `Plain`.
    assert_eq!(unsafe { *plain.0[index].get() }, index as u64 + 1);
    let (producer, event) = (index / EVENTS, index % EVENTS);
    assert_eq!(event, next[producer], "each thread's events, in its order");
    next[producer] += 1;
}

/// Moves until every event lies in the ring.
fn move_all(mut drain: Drain<'_>, queue: Queue<'_>) {
    while drain.head() < (PRODUCERS * EVENTS) as u64 {
        if drain.drain_up_to(queue.claimed()).records == 0 {
            thread::yield_now();
        }
    }
}

fn plain() -> Plain {
    Plain((0..PRODUCERS * EVENTS).map(|_| UnsafeCell::new(0)).collect())
}

#[test]
fn threads_see_what_was_written_before_an_event() {
    let (producers, flusher, reader) = (ProducerPage::default(), FlusherPage::default(), ReaderPage::default());
    let slots = |count| (0..count).map(|_| Slot::default()).collect::<Vec<_>>();
    let (queue_slots, ring_slots, plain) = (slots(64), slots(128), plain());
    let queue = Queue::new(&producers, &queue_slots);
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let plain = &plain;
            scope.spawn(move || push(queue, plain, producer));
        }
        let writer = RingWriter::new(&flusher, &reader, &ring_slots);
        scope.spawn(move || move_all(Drain::new(queue, writer), queue));
        let (mut next, mut from) = ([0; PRODUCERS], 0);
        while next != [EVENTS; PRODUCERS] {
            let head = flusher.head();
            (from..head).for_each(|at| check(&plain, &mut next, &ring_slots[at as usize & 127].copy()));
            from = head;
            reader.set_tail(from);
            thread::yield_now();
        }
    });
}

/// The same by a file, mapped twice: the sanitizer takes the two mappings for two memories, so no plain word is read here.
#[test]
fn threads_and_a_reader_of_the_file() {
    let folder = std::env::temp_dir().join(format!("ttmem-threads-{}", std::process::id()));
    let options = CreateOptions { folder: &folder, ring_bytes: 8192, queue_slots: 64, producer: "test" };
    let ring = RingFile::create(&options).unwrap();
    let (mut reader, plain) = (RingReader::open(ring.path()).unwrap(), plain());
    reader.lock_for_draining().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let (queue, plain) = (ring.queue(), &plain);
            scope.spawn(move || push(queue, plain, producer));
        }
        scope.spawn(|| {
            move_all(ring.drain(), ring.queue());
            done.store(true, Ordering::Release);
        });
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let (ticks, ns) = ring.clock().with_monotonic();
                ring.flusher().note_clock(ticks, ns);
                thread::yield_now();
            }
        });
        let mut records = Vec::new();
        while records.len() < PRODUCERS * EVENTS {
            reader.read(&mut records, 1024);
            reader.release();
            let _ = (reader.clock(), reader.counters());
            thread::yield_now();
        }
    });
    std::fs::remove_dir_all(&folder).unwrap();
}
