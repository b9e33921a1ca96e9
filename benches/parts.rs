//! The parts on their own, with criterion: queue, drain and ledger.
//!
//!     cargo bench -p ttmem-benches --bench parts

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ttmem_ledger::Ledger;
use ttmem_ring::{Drain, FlusherPage, ProducerPage, Queue, ReaderPage, RingWriter, Slot};
use ttmem_wire::{Event, EventKind, Memory, Target};

const EVENTS: usize = 4096;

fn slots(count: usize) -> Vec<Slot> {
    (0..count).map(|_| Slot::default()).collect()
}

/// Each iteration fills the queue and drains it into a ring whose reader has always just been by.
fn queue_to_ring(criterion: &mut Criterion) {
    let (producers, flusher, reader) = (ProducerPage::default(), FlusherPage::default(), ReaderPage::default());
    let (queue_slots, ring_slots) = (slots(EVENTS), slots(1 << 16));
    let queue = Queue::new(&producers, &queue_slots);
    let mut drain = Drain::new(queue, RingWriter::new(&flusher, &reader, &ring_slots));
    let mut group = criterion.benchmark_group("queue");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("push and drain", |bencher| {
        bencher.iter(|| {
            for n in 0..EVENTS as u64 {
                black_box(queue.push(&[n; 7])).expect("the queue was drained");
            }
            drain.drain_up_to(queue.claimed());
            reader.set_tail(drain.head());
        });
    });
}

/// Allocate and free around 100,000 live regions.
fn ledger(criterion: &mut Criterion) {
    let at = |address: u64, kind| Event {
        kind,
        memory: Some(Memory::Dram),
        target: Target::Device(0),
        address,
        size: 2048,
        size_per_bank: Some(256),
        holder: address + 1,
        ..Event::default()
    };
    let mut ledger = Ledger::new();
    (0..100_000).for_each(|address| ledger.apply(&at(address, EventKind::Allocate), None));
    let mut next = 100_000;
    let mut group = criterion.benchmark_group("ledger");
    group.throughput(Throughput::Elements(2 * EVENTS as u64));
    group.bench_function("allocate and free, 100,000 live", |bencher| {
        bencher.iter(|| {
            for _ in 0..EVENTS {
                ledger.apply(&at(next, EventKind::Allocate), None);
                ledger.apply(&at(next - 100_000, EventKind::Free), None);
                next += 1;
            }
        });
    });
}

criterion_group!(parts, queue_to_ring, ledger);
criterion_main!(parts);
