//! Bytes that claim to be a recording: they are read to their end or to an error, and what can be read can be written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ttmem_recording::{Item, Meta, Reader, Writer};
use ttmem_wire::Record;

#[allow(dead_code)]
#[path = "../../recording/tests/common/mod.rs"]
mod common;

/// More than this takes long and shows nothing new: a column of one number needs no bytes for its events.
const ENOUGH: usize = 100_000;

/// All that can be read of `file`, each item on its own.
fn items(file: &[u8]) -> Vec<(Option<Meta>, u32, Vec<Record>)> {
    let mut items = Vec::new();
    let mut events = 0;
    let Ok(mut reader) = Reader::new(file) else { return items };
    while let Ok(Some(item)) = reader.next() {
        match item {
            Item::Meta(meta) => items.push((Some(meta), 0, Vec::new())),
            Item::Events { process, records } => {
                assert!(!records.is_empty());
                events += records.len();
                items.push((None, process, records.to_vec()));
            }
        }
        if events > ENOUGH {
            break;
        }
    }
    items
}

fuzz_target!(|bytes: &[u8]| {
    items(bytes);

    // Few inputs get past a checksum, so each is tried with the right ones too.
    let mut file = Writer::new(Vec::new()).unwrap().finish().unwrap();
    file.truncate(16);
    file.extend_from_slice(bytes);
    common::seal(&mut file);
    let read = items(&file);

    // Flushed after each item, so that the writer joins no events.
    let mut writer = Writer::new(Vec::new()).unwrap();
    for (meta, process, records) in &read {
        match meta {
            Some(meta) => writer.meta(meta).unwrap(),
            None => writer.events(*process, records).unwrap(),
        }
        writer.flush().unwrap();
    }
    let again = items(&writer.finish().unwrap());
    assert!(again == read, "what was read and written is not the same");
});
