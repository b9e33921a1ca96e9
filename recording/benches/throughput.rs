//! Events a second on one core, written and read.
//!
//!     cargo bench -p ttmem-recording

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make functions without")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ttmem_recording::{Item, Reader, Writer};

const EVENTS: usize = 1_000_000;

fn throughput(criterion: &mut Criterion) {
    let records = common::realistic_trace(EVENTS);
    let write = |file: Vec<u8>| {
        let mut writer = Writer::new(file).unwrap();
        writer.meta(&common::process(0)).unwrap();
        // As they come from a ring: some thousands at a time.
        records.chunks(5000).for_each(|some| writer.events(0, some).unwrap());
        writer.finish().unwrap()
    };
    let file = write(Vec::new());
    println!("{:.2} bytes an event", file.len() as f64 / EVENTS as f64);
    let mut group = criterion.benchmark_group("recording");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(10);
    group.bench_function("write", |bencher| bencher.iter(|| write(Vec::with_capacity(file.len() + 1))));
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            let mut reader = Reader::new(file.as_slice()).unwrap();
            let mut events = 0;
            while let Some(item) = reader.next().unwrap() {
                if let Item::Events { records, .. } = item {
                    events += black_box(records).len();
                }
            }
            assert_eq!(events, EVENTS);
        });
    });
}

criterion_group!(benches, throughput);
criterion_main!(benches);
