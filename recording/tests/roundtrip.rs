//! What is written comes back: every bit of it, in its order, in few bytes.

#![forbid(unsafe_code)]

mod common;

use common::{Entry, process, read, realistic_trace};
use proptest::prelude::*;
use ttmem_recording::{MAX_CHUNK_EVENTS, Writer};
use ttmem_wire::{Event, EventKind, Record};

fn written(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.meta(&process(7)).unwrap();
    writer.events(7, records).unwrap();
    writer.finish().unwrap()
}

/// The events of a file of one process.
fn events(file: &[u8]) -> Vec<Record> {
    let (entries, end) = read(file);
    assert_eq!(end.unwrap(), None);
    match &entries[..] {
        [Entry::Meta(_)] => Vec::new(),
        [Entry::Meta(_), Entry::Events(7, records)] => records.clone(),
        others => panic!("{others:?}"),
    }
}

/// Numbers as they come in events, and any others: small, near to each other, multiples, at the ends.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..4_u64,
        2 => (0..1000_u64).prop_map(|page| page << 11),
        1 => (0..64_u32).prop_map(|bit| 1 << bit),
        1 => any::<u64>(),
        1 => prop_oneof![Just(u64::MAX), Just(u64::MAX - 1), Just(1 << 63)],
    ]
}

/// Kinds that exist, and others; the rest of the word is anything.
fn what() -> impl Strategy<Value = u64> {
    (prop_oneof![8 => 1..10_u64, 1 => 0..256_u64], number()).prop_map(|(kind, rest)| rest << 8 | kind)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_words_come_back(words in prop::collection::vec((prop::array::uniform8(number()), what()), 0..700)) {
        let records: Vec<_> = words
            .into_iter()
            .map(|(mut words, what)| {
                words[2] = what;
                Record { words }
            })
            .collect();
        prop_assert_eq!(events(&written(&records)), records);
    }
}

#[test]
fn random_words_of_more_than_a_chunk_come_back() {
    let mut random = common::Random::seeded(1);
    let records: Vec<_> =
        (0..MAX_CHUNK_EVENTS + 5000).map(|_| Record { words: std::array::from_fn(|_| random.next()) }).collect();
    assert!(events(&written(&records)) == records);
}

#[test]
fn a_realistic_trace_takes_less_than_9_bytes_an_event() {
    let mut records = realistic_trace(200_000);
    // A name of some length every now and then must not spoil it.
    for record in records.iter_mut().step_by(1000) {
        let text: [u8; 32] = std::array::from_fn(|at| b"layer 17, attention, backward pass"[at]);
        *record =
            Event { kind: EventKind::Mark, extra: 32, text: Some(text), ..Event::decode(record).unwrap() }.encode();
    }
    let file = written(&records);
    let bytes = file.len() as f64 / records.len() as f64;
    println!("{bytes:.2} bytes an event");
    assert!(bytes < 9.0, "{bytes:.2} bytes an event");
    assert!(events(&file) == records);
}
