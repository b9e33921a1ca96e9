//! Bytes that claim to be a recording: they are read to their end or to an error, and what can be read can be written.

use std::fs;

use ttmem_reader::replay::{Input, replay};
use ttmem_recording::{Item, Meta, Reader, Writer};
use ttmem_wire::Record;

use crate::{look, place::folder};

/// More events than this take long and show nothing new: a column of one number needs no bytes for its events.
const ENOUGH: usize = 100_000;

/// Bytes before the first chunk.
const HEAD: usize = 16;

pub(crate) fn read(bytes: &[u8]) {
    items(bytes);
    // Few inputs get past a checksum, so each is tried with the right ones too.
    let mut file = Writer::new(Vec::new()).and_then(Writer::finish).expect("memory takes all");
    file.truncate(HEAD);
    file.extend_from_slice(bytes);
    seal(&mut file);
    let (read, is_whole) = items(&file);
    // Flushed after each item, so that the writer joins no events.
    let mut writer = Writer::new(Vec::new()).expect("memory takes all");
    for (meta, process, records) in &read {
        match meta {
            Some(meta) => writer.meta(meta).expect("memory takes all"),
            None => writer.events(*process, records).expect("memory takes all"),
        }
        writer.flush().expect("memory takes all");
    }
    let (again, _) = items(&writer.finish().expect("memory takes all"));
    assert!(again == read, "what was read and written is not the same");
    if is_whole {
        replayed(&file, crc32fast::hash(bytes) as u8);
    }
}

fn replayed(file: &[u8], choice: u8) {
    let path = folder().join("run.ttmem");
    fs::write(&path, file).expect("room for a recording");
    look::input(&path, choice);
    let Ok(input) = Input::open(&path, true) else { return };
    if let Ok(recording) = replay(&input) {
        look::processes(&recording.processes);
    }
}

/// An item of a recording: a document, or events of a process.
type Copied = (Option<Meta>, u32, Vec<Record>);

/// All that can be read of `file`, each item on its own; and whether there is no more.
fn items(file: &[u8]) -> (Vec<Copied>, bool) {
    let mut items = Vec::new();
    let mut events = 0;
    let Ok(mut reader) = Reader::new(file) else { return (items, true) };
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
            return (items, false);
        }
    }
    (items, true)
}

/// Makes every checksum right again, so that damage gets past them.
fn seal(file: &mut [u8]) {
    const CHUNK_HEAD: usize = 32;
    let mut at = HEAD;
    while at + CHUNK_HEAD <= file.len() {
        let stored = u32::from_le_bytes([16, 17, 18, 19].map(|byte| file[at + byte])) as usize;
        let end = (at + CHUNK_HEAD).saturating_add(stored).min(file.len());
        let checksum = crc32fast::hash(&file[at + CHUNK_HEAD..end]);
        file[at + 20..at + 24].copy_from_slice(&checksum.to_le_bytes());
        let checksum = crc32fast::hash(&file[at..at + 28]);
        file[at + 28..at + CHUNK_HEAD].copy_from_slice(&checksum.to_le_bytes());
        at = end;
    }
}
