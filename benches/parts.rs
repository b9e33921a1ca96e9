//! The parts on their own, with criterion: stage, mover and ledger.
//!
//!     cargo bench -p ttmem-benches --bench parts

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ttmem_ledger::Ledger;
use ttmem_ring::{FlusherPage, Mover, ProducerPage, ReaderPage, RingWriter, Slot, Stage};
use ttmem_wire::{Event, EventKind, Memory, Target};

const EVENTS: usize = 4096;

fn slots(count: usize) -> Vec<Slot> {
    (0..count).map(|_| Slot::default()).collect()
}

/// Push and move: each iteration fills the stage and empties it into a ring whose reader has always just been by.
fn stage_to_ring(criterion: &mut Criterion) {
    let (producers, flusher, reader) = (ProducerPage::default(), FlusherPage::default(), ReaderPage::default());
    let (stage_slots, ring_slots) = (slots(EVENTS), slots(1 << 16));
    let stage = Stage::new(&producers, &stage_slots);
    let mut mover = Mover::new(stage, RingWriter::new(&flusher, &reader, &ring_slots));
    let mut group = criterion.benchmark_group("stage");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("push and move", |bencher| {
        bencher.iter(|| {
            for n in 0..EVENTS as u64 {
                black_box(stage.push(&[n; 7])).expect("the stage was emptied");
            }
            mover.move_up_to(stage.claimed());
            reader.set_tail(mover.head());
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

criterion_group!(parts, stage_to_ring, ledger);
criterion_main!(parts);
