//! The order of documents and events, what a newer writer may add, and files that fail.

#![forbid(unsafe_code)]

mod common;

use std::io::{self, Write};

use common::{Entry, process, read, realistic_trace, seal};
use ttmem_recording::{ClockPoint, Ended, LastWords, MAX_CHUNK_EVENTS, Meta, Pool, Process, Status, Writer};
use ttmem_wire::Record;

fn status(process: u32, ended: Option<Ended>) -> Meta {
    let clock = [ClockPoint { ticks: 1, realtime_ns: u64::MAX }, ClockPoint::default()];
    Meta::Status(Status { process, reported: u64::MAX, ended, clock, ..Status::default() })
}

#[test]
fn documents_of_every_type_come_back() {
    let documents = [
        Meta::Process(Process {
            process: 3,
            pid: 1,
            parent_pid: 2,
            command: vec![String::new(), "π \"quoted\"\n".into()],
            realtime_start_ns: u64::MAX,
            ring_id: "0123456789abcdef0123456789abcdef".into(),
            library_version: "0.1.0".into(),
        }),
        Meta::Pool(Pool { process: 3, index: 255, allocator: 1, mesh: Some(0), chips: (0..320).collect() }),
        Meta::Pool(Pool::default()),
        status(3, None),
        status(3, Some(Ended::Code(-1))),
        status(3, Some(Ended::Signal(9))),
        status(3, Some(Ended::Unknown)),
        Meta::LastWords(LastWords { process: 3, records: vec![[u64::MAX; 8]; 300] }),
    ];
    let mut writer = Writer::new(Vec::new()).unwrap();
    documents.iter().for_each(|document| writer.meta(document).unwrap());
    let (entries, end) = read(&writer.finish().unwrap());
    assert_eq!(end.unwrap(), None);
    assert_eq!(entries, documents.map(Entry::Meta));
}

#[test]
fn a_document_stands_after_the_events_that_were_given_before() {
    let trace = realistic_trace(100);
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.meta(&process(0)).unwrap();
    writer.meta(&process(1)).unwrap();
    writer.events(0, &trace[..10]).unwrap();
    writer.events(1, &trace[10..30]).unwrap();
    writer.events(0, &trace[30..35]).unwrap();
    writer.meta(&status(0, None)).unwrap();
    writer.events(0, &trace[35..40]).unwrap();
    writer.flush().unwrap();
    writer.meta(&status(1, None)).unwrap();
    let (entries, _) = read(&writer.finish().unwrap());
    let first: Vec<_> = trace[..10].iter().chain(&trace[30..35]).copied().collect();
    let expected = [
        Entry::Meta(process(0)),
        Entry::Meta(process(1)),
        Entry::Events(0, first),
        Entry::Meta(status(0, None)),
        Entry::Events(0, trace[35..40].to_vec()),
        Entry::Events(1, trace[10..30].to_vec()),
        Entry::Meta(status(1, None)),
    ];
    assert_eq!(entries, expected);
}

#[test]
fn events_of_many_processes_are_not_kept_without_bound() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let some = vec![Record { words: [1; 8] }; 10_000];
    for number in 0..100 {
        writer.meta(&process(number)).unwrap();
        writer.events(number, &some).unwrap();
    }
    writer.flush().unwrap();
    let (entries, _) = read(&writer.finish().unwrap());
    assert_eq!(entries.iter().filter(|entry| matches!(entry, Entry::Events(..))).count(), 100);
    let before_the_last = entries.iter().rposition(|entry| matches!(entry, Entry::Meta(_))).unwrap();
    assert!(before_the_last > 150, "most were written on the way: {before_the_last}");
}

#[test]
fn events_of_a_process_that_nobody_introduced_are_refused() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let error = writer.events(5, &realistic_trace(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    writer.meta(&process(5)).unwrap();
    writer.events(5, &realistic_trace(1)).unwrap();
    let mut file = writer.finish().unwrap();
    assert_eq!(read(&file).0.len(), 2);
    // A document of another process in its place.
    let digit = file.windows(11).position(|bytes| bytes == br#""process":5"#).unwrap() + 10;
    file[digit] = b'6';
    seal(&mut file);
    let message = read(&file).1.unwrap_err().to_string();
    assert!(message.ends_with(": events of a process that was not introduced"), "{message}");
}

/// The chunk of a document, found by some text in it.
fn document_with(file: &[u8], text: &str) -> std::ops::Range<usize> {
    let at = file.windows(text.len()).position(|bytes| bytes == text.as_bytes()).unwrap();
    let begin = file[..at].windows(4).rposition(|bytes| bytes == b"META").unwrap();
    begin..begin + 32 + u32::from_le_bytes(file[begin + 16..begin + 20].try_into().unwrap()) as usize
}

#[test]
fn what_a_newer_writer_adds_is_passed_over() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.meta(&process(0)).unwrap();
    writer.meta(&status(0, None)).unwrap();
    let file = writer.finish().unwrap();
    let status_at = document_with(&file, "status");

    let mut unknown_kind = file.clone();
    unknown_kind[status_at.start..status_at.start + 4].copy_from_slice(b"NEWS");
    let text = String::from_utf8_lossy(&file[status_at.clone()]).into_owned();
    assert!(text.contains(r#""type":"status""#) && text.contains("pretended"), "{text}");
    let mut unknown_type = file.clone();
    let at = status_at.start + file[status_at.clone()].windows(6).position(|bytes| bytes == b"status").unwrap();
    unknown_type[at..at + 6].copy_from_slice(b"future");
    for mut file in [unknown_kind, unknown_type] {
        seal(&mut file);
        let (entries, end) = read(&file);
        assert_eq!(end.unwrap(), None);
        assert_eq!(entries, [Entry::Meta(process(0))]);
    }

    // A field more than this version knows.
    let mut chunk = file[status_at.clone()].to_vec();
    chunk.splice(33..33, *br#""colour":[{"red":1}],"#);
    let length = (chunk.len() - 32) as u32;
    [12, 16].iter().for_each(|&at| chunk[at..at + 4].copy_from_slice(&length.to_le_bytes()));
    let mut unknown_field = file.clone();
    unknown_field.splice(status_at, chunk);
    seal(&mut unknown_field);
    let (entries, end) = read(&unknown_field);
    assert_eq!(end.unwrap(), None);
    assert_eq!(entries, [Entry::Meta(process(0)), Entry::Meta(status(0, None))]);
}

#[test]
fn a_document_that_is_too_long_is_refused_and_the_recording_goes_on() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    let long = Process { command: vec!["x".repeat(16 << 20)], ..Process::default() };
    assert_eq!(writer.meta(&Meta::Process(long)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    writer.meta(&process(0)).unwrap();
    assert_eq!(read(&writer.finish().unwrap()).0, [Entry::Meta(process(0))]);
}

/// A file with room for so many bytes. After the first error there is room again, which must tempt nobody.
struct Disk<'a> {
    file: &'a mut Vec<u8>,
    room: usize,
    writes: usize,
}

impl Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(self.room - self.file.len());
        if fits == 0 {
            self.room = usize::MAX;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.extend_from_slice(&bytes[..fits]);
        self.writes += 1;
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn after_a_full_disk_nothing_more_is_written_and_what_was_stays() {
    let trace = realistic_trace(300);
    for room in [0, 10, 16, 40, 300, 700, 1500, 2000] {
        let mut file = Vec::new();
        let Ok(mut writer) = Writer::new(Disk { file: &mut file, room, writes: 0 }) else {
            assert!(room < 16);
            continue;
        };
        let mut failed = writer.meta(&process(0)).is_err();
        for some in trace.chunks(20) {
            let result = writer.events(0, some).and_then(|()| writer.flush());
            assert!(!failed || result.is_err(), "an error stays");
            failed |= result.is_err();
        }
        assert!(writer.finish().is_err() && failed, "{room}");
        let (entries, end) = read(&file);
        assert!(end.unwrap().is_some(), "{room}");
        if let Some(Entry::Events(_, records)) = entries.last() {
            assert!(trace.starts_with(records));
        }
        assert_eq!(entries.is_empty(), room < 250);
    }
}

#[test]
fn each_chunk_is_written_at_once() {
    let mut file = Vec::new();
    let mut writer = Writer::new(Disk { file: &mut file, room: usize::MAX, writes: 0 }).unwrap();
    writer.meta(&process(0)).unwrap();
    writer.events(0, &realistic_trace(MAX_CHUNK_EVENTS + 1)).unwrap();
    assert_eq!(writer.finish().unwrap().writes, 5, "head, document, full chunk, the rest, end");
}
