//! Exports that readers written in Rust can open, and rings. The other formats are in tests/export, with their readers.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ttmem_recording::{ClockPoint, Ended, Meta, Pool, Process, Status, Writer};
use ttmem_ring::{CreateOptions, RingFile};
use ttmem_wire::{Event, EventKind, Memory, Target, split_mark};

mod common;
use common::Folder;

fn export(file: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ttmem")).arg("export").arg(file).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn tensor(kind: EventKind, holder: u64, size: u64) -> Event {
    Event {
        kind,
        memory: Some(Memory::Dram),
        target: Target::Pool(2),
        address: 4096 * holder,
        size,
        size_per_bank: Some(size / 4),
        holder,
        ..Event::default()
    }
}

/// Two tensors on two chips, of which one is freed behind the mark "half", late by its thread's clock.
fn recording(folder: &Folder) -> PathBuf {
    let path = folder.0.join("run.ttmem");
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    let process = Process { process: 5, pid: 77, command: vec!["train".into()], ..Process::default() };
    writer.meta(&Meta::Process(process)).unwrap();
    let pool = Pool { process: 5, index: 2, allocator: 1, mesh: None, chips: vec![4, 5] };
    writer.meta(&Meta::Pool(pool)).unwrap();
    let mut events = vec![tensor(EventKind::Allocate, 1, 8192), tensor(EventKind::Allocate, 2, 1024)];
    events.extend(split_mark(b"half"));
    events.push(tensor(EventKind::Free, 1, 8192));
    for (event, ticks) in events.iter_mut().zip([10, 20, 30, 25]) {
        event.ticks = ticks;
    }
    let records: Vec<_> = events.iter().map(Event::encode).collect();
    writer.events(5, &records).unwrap();
    let clock = [(0, 1000), (10, 2000)].map(|(ticks, realtime_ns)| ClockPoint { ticks, realtime_ns });
    let ended = Some(Ended::Code(0));
    writer.meta(&Meta::Status(Status { process: 5, is_over: true, ended, clock, ..Status::default() })).unwrap();
    writer.finish().unwrap();
    path
}

#[test]
fn inferno_draws_the_folded_stacks() {
    let folder = Folder::new("inferno");
    let file = recording(&folder);
    let folded = text(&export(&file, &["--format", "folded", "--at", "peak"]));
    assert_eq!(folded, "memory DRAM;size_1024 2048\nmemory DRAM;size_8192 16384\n");
    let mut picture = Vec::new();
    let mut options = inferno::flamegraph::Options::default();
    inferno::flamegraph::from_lines(&mut options, folded.lines(), &mut picture).unwrap();
    let picture = String::from_utf8(picture).unwrap();
    for title in ["all (18,432 samples, 100%)", "size_8192 (16,384 samples, 88.89%)"] {
        assert!(picture.contains(title), "{title}");
    }
    assert_eq!(text(&export(&file, &["--format", "folded"])), "memory DRAM;size_1024 2048\n");
    let of_one = text(&export(&file, &["--format", "folded", "--device", "5", "--value", "allocated-objects"]));
    assert_eq!(of_one, "memory DRAM;size_1024 1\nmemory DRAM;size_8192 1\n");
}

#[test]
fn times_come_from_the_last_clock_and_never_go_back() {
    let folder = Folder::new("times");
    let lines = text(&export(&recording(&folder), &["--format", "jsonl"]));
    let events: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = events.iter().map(|event| (event["time_ns"].as_u64().unwrap(), &event["event"])).collect();
    assert_eq!(
        format!("{told:?}"),
        r#"[(2000, String("allocate")), (3000, String("allocate")), (4000, String("mark")), (4000, String("free"))]"#
    );
    assert_eq!(events[0]["devices"], serde_json::json!([4, 5]));
    assert_eq!(events[2]["name"], "half");
}

#[test]
fn a_ring_is_exported_like_a_recording_and_left_as_it_is() {
    let folder = Folder::new("ring");
    let options =
        CreateOptions { folder: &folder.0.join("rings"), ring_bytes: 4096, queue_slots: 64, producer: "test" };
    let ring = RingFile::create(&options).unwrap();
    let event = Event { memory: Some(Memory::L1), target: Target::Device(3), size: 2048, ..Event::default() };
    for address in [4096, 8192] {
        let [_, payload @ ..] = Event { address, ..event }.encode().words;
        ring.queue().push(&payload).unwrap();
    }
    ring.drain().drain_up_to(2);
    let file = ttmem_ring::discover(&folder.0.join("rings")).unwrap().pop().unwrap();
    for _ in 0..2 {
        let folded = text(&export(&file, &["--format", "folded", "--at", "peak"]));
        assert_eq!(folded, "memory L1;size_2048 4096\n");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let folder = Folder::new("pipe");
    let file = recording(&folder);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ttmem"))
        .args(["export", "--format", "jsonl"])
        .arg(&file)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_a_format_all_are_listed_and_a_file_comes_with_what_opens_it() {
    let folder = Folder::new("export-opens");
    let file = recording(&folder);
    let list = text(&Command::new(env!("CARGO_BIN_EXE_ttmem")).arg("export").output().unwrap());
    let output = export(&file, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
    assert!(stderr.starts_with("ttmem: name a format, as `ttmem export ") && stderr.ends_with(&list), "{stderr}");
    for (format, opener) in [
        ("perfetto", "ui.perfetto.dev"),
        ("pytorch-snapshot", "pytorch.org/memory_viz"),
        ("pprof", "go tool pprof"),
        ("speedscope", "speedscope.app"),
        ("folded", "flamegraph.pl"),
        ("heaptrack", "heaptrack_gui"),
        ("csv", "spreadsheet"),
        ("jsonl", "jq"),
        ("parquet", "duckdb"),
        ("ttnn-visualizer", "ttnn-visualizer --profiler-path"),
    ] {
        let line = list.lines().find(|line| line.trim_start().starts_with(&format!("{format} ")));
        let is_named = |line: &str| line.to_lowercase().contains(opener);
        assert!(line.is_some_and(is_named), "{format}: {list}");
        let to = folder.0.join(format);
        let to = to.to_str().unwrap();
        let output = export(&file, &["--format", format, "-o", to, "--at", "peak"]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with(&format!("ttmem: {to} is written; ")) && last.contains(opener), "{stderr}");
        let quiet = export(&file, &["--format", format, "-o", to, "--at", "peak", "--quiet"]);
        assert!(!String::from_utf8_lossy(&quiet.stderr).contains("is written"), "{quiet:?}");
    }
    assert_eq!(list.lines().count(), 10, "{list}");
    let output = export(&file, &["--format", "jsonl"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("is written"), "standard output is no file");
}
