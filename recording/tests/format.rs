//! Files that were written once and have to be readable for good. `docs/recording-format.md` takes the first one apart.
//!
//! A change that turns this red needs a new version of the format, and a reader that knows both.

#![forbid(unsafe_code)]

mod common;

use std::path::{Path, PathBuf};

use common::{Entry, read};
use ttmem_recording::{ClockPoint, Ended, FORMAT_VERSION, Meta, Process, Status, Writer};
use ttmem_wire::{Event, EventKind, Memory, Record, Target};

/// The folder of a version.
fn folder(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/format-{version}"))
}

fn stored(version: u32, name: &str) -> Vec<u8> {
    std::fs::read(folder(version).join(name)).unwrap()
}

/// A buffer that comes and goes, one that stays, and a mark.
fn events() -> Vec<Record> {
    let allocate = Event {
        kind: EventKind::Allocate,
        memory: Some(Memory::Dram),
        thread: 4711,
        target: Target::Pool(0),
        ticks: 1_000_000,
        address: 0x4000,
        size: 24_576,
        size_per_bank: Some(2048),
        holder: 1,
        site: 3,
        ..Event::default()
    };
    let second = Event { sequence: 1, ticks: 1_002_500, address: 0x4800, holder: 2, ..allocate };
    let free = Event { kind: EventKind::Free, sequence: 2, ticks: 1_002_400, site: 4, ..allocate };
    let text: [u8; 32] = std::array::from_fn(|at| *b"warm-up".get(at).unwrap_or(&0));
    let mark =
        Event { kind: EventKind::Mark, sequence: 3, ticks: 1_009_999, thread: 4711, extra: 7, ..Event::default() };
    let mark = Event { text: Some(text), ..mark };
    [allocate, second, free, mark].iter().map(Event::encode).collect()
}

fn documents() -> [Meta; 2] {
    let process = Process {
        process: 0,
        pid: 4711,
        parent_pid: 4710,
        command: vec!["python3".into(), "train.py".into()],
        realtime_start_ns: 1_767_225_600_000_000_000,
        ring_id: "0123456789abcdef0123456789abcdef".into(),
        library_version: "0.1.0".into(),
    };
    let early = ClockPoint { ticks: 1_000_000, realtime_ns: 1_767_225_600_000_000_000 };
    let late = ClockPoint { ticks: 4_000_000, realtime_ns: 1_767_225_600_001_000_000 };
    let status = Status {
        reported: 4,
        drained: 4,
        is_over: true,
        ended: Some(Ended::Code(0)),
        clock: [early, late],
        ..Status::default()
    };
    [Meta::Process(process), Meta::Status(status)]
}

fn small_file() -> Vec<u8> {
    let [process, status] = documents();
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.meta(&process).unwrap();
    writer.events(0, &events()).unwrap();
    writer.meta(&status).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_small_file_is_written_and_read_as_ever() {
    let [process, status] = documents();
    let file = small_file();
    assert!(file == stored(FORMAT_VERSION, "small.ttmemrec"), "the bytes that are written changed");
    for version in 1..=FORMAT_VERSION {
        let (entries, end) = read(&stored(version, "small.ttmemrec"));
        assert_eq!(end.unwrap(), None);
        let expected = [Entry::Meta(process.clone()), Entry::Events(0, events()), Entry::Meta(status.clone())];
        assert_eq!(entries, expected, "version {version}");
    }
}

/// Only read: which bytes zstd makes of it is up to its version.
#[test]
fn a_compressed_file_is_read_as_ever() {
    let (entries, end) = read(&stored(1, "compressed.ttmemrec"));
    assert_eq!(end.unwrap(), None);
    let [Entry::Meta(_), Entry::Events(0, records)] = &entries[..] else { panic!("{} entries", entries.len()) };
    let mut sum = crc32fast::Hasher::new();
    records.iter().flat_map(|record| record.words).for_each(|word| sum.update(&word.to_le_bytes()));
    assert_eq!((records.len(), sum.finalize()), (500, 2_684_141_095));
}

/// Makes the files again, for a new version: `cargo test -p ttmem-recording --test format -- --ignored`.
#[test]
#[ignore = "it overwrites what the other tests compare with"]
fn make_the_files() {
    let folder = folder(FORMAT_VERSION);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("small.ttmemrec"), small_file()).unwrap();
}
