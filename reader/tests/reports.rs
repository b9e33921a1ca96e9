//! The report of a real ring file: its JSON against the published schema, its text against what a newcomer reads.
//!
//! The rings are made in this process, with the shim's own half of the ring crate. They stay locked as long as it lives, so
//! their process counts as running.

use std::path::PathBuf;

use serde_json::Value;
use ttmem_reader::{
    Session, SiteStyle, Suppressions,
    analysis::{Analysis, Answer},
    report::{Report, Screen, write_text},
};
use ttmem_ring::{CreateOptions, RingFile, RingReader};
use ttmem_wire::{Event, EventKind, Fact, Memory, Part, Pool, Target, split_mark};

struct Ring {
    file: RingFile,
    folder: PathBuf,
}

impl Ring {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ttmem-reports-{name}-{}", std::process::id()));
        let options = CreateOptions { folder: &folder, ring_bytes: 65_536, queue_slots: 256, producer: "test" };
        Self { file: RingFile::create(&options).unwrap(), folder }
    }

    fn push(&self, event: Event) {
        let [_, payload @ ..] = event.encode().words;
        self.file.queue().push(&payload).unwrap();
    }

    fn report(&self, live_at_marks: bool) -> Report {
        Report::new(&self.analysis(live_at_marks), SiteStyle::default(), None)
    }

    fn analysis(&self, live_at_marks: bool) -> Analysis {
        self.file.drain().drain_up_to(self.file.queue().claimed());
        let mut session = Session::looking(RingReader::open(self.file.path()).unwrap(), live_at_marks);
        session.advance();
        session.settle(None);
        analyse(&session)
    }
}

fn analyse(session: &Session) -> Analysis {
    Analysis::new([session], &Suppressions::default(), SiteStyle::default())
}

impl Drop for Ring {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn allocate(device: i32, address: u64, size: u64) -> Event {
    Event {
        memory: Some(Memory::Dram),
        target: Target::Device(device),
        address,
        size,
        size_per_bank: Some(size / 8),
        ..Event::default()
    }
}

/// A bit of everything that a report can hold.
fn busy_ring(name: &str) -> Ring {
    let ring = Ring::new(name);
    let pool = ring.file.pools().enter(&Pool { allocator: 1, chips: (0..8).collect() }).unwrap();
    let on_pool = Event { target: Target::Pool(pool), ..allocate(0, 0x10_0080, 131_072) };
    ring.push(Event { holder: 1, ..on_pool });
    ring.push(allocate(0, 0x20_0000, 4096));
    ring.push(allocate(0, 0x20_0000, 4096));
    ring.push(Event { kind: EventKind::Free, memory: None, ..allocate(0, 0x20_0000, 0) });
    split_mark("after the weights".as_bytes()).for_each(|part| ring.push(part));
    ring.push(Event { memory: Some(Memory::Unknown(9)), size_per_bank: None, ..allocate(-7, 0, u64::MAX) });
    let place =
        Event { kind: EventKind::CbAllocate, memory: Some(Memory::CircularBuffer), ..allocate(0, 101_152, 4096) };
    ring.push(Event { extra: 64, ..place });
    ring.push(Event { kind: EventKind::OutOfMemory, ..allocate(0, 0, 1 << 40) });
    ring.push(Event { kind: EventKind::Free, memory: None, ..allocate(3, 77, 0) });
    ring
}

#[test]
fn the_json_is_what_the_schema_says() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let ring = busy_ring("schema");
    for live_at_marks in [false, true] {
        let json: Value = serde_json::from_str(&ring.report(live_at_marks).to_json()).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&json).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let mark = &json["processes"][0]["marks"][0];
        assert_eq!(mark["name"], "after the weights");
        assert_eq!(mark.get("live").is_some(), live_at_marks);
        assert_eq!(mark["devices"][0]["memory"]["DRAM"]["live_bytes"], 135_168);
    }
    let mut broken: Value = serde_json::from_str(&ring.report(false).to_json()).unwrap();
    broken["processes"][0]["live"][0]["state"] = "lost".into();
    assert!(!validator.is_valid(&broken), "the schema refuses what is not in it");
}

#[test]
fn a_process_has_its_rank_and_the_build_that_it_runs() {
    let ring = Ring::new("facts");
    for fact in [Fact::Rank(3), Fact::Ttnn("0.99.0".to_owned()), Fact::Unseen(Part::ProgramTables)] {
        split_mark(fact.mark().as_bytes()).for_each(|part| ring.push(part));
    }
    ring.push(allocate(0, 4096, 1 << 20));
    let json: Value = serde_json::from_str(&ring.report(false).to_json()).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&json));
    let process = &json["processes"][0];
    assert_eq!((&process["rank"], &process["ttnn_version"]), (&3.into(), &"0.99.0".into()));
    assert_eq!(process["unseen_parts"], serde_json::json!(["cached tables of programs"]));
    assert_eq!(process["marks"], serde_json::json!([]));
    let mut text = String::new();
    write_text(&mut text, &ring.analysis(false), &Screen::plain()).unwrap();
    for part in ["rank 3, pid ", "[parts-unseen]", "[build-untested]"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("Ranks"), "{text}");
}

#[test]
fn a_report_says_what_is_left_where_an_allocator_was_seen() {
    let ring = Ring::new("left");
    let bank = Event { kind: EventKind::Capacity, extra: 8, size_per_bank: None, ..allocate(0, 4096, 1 << 20) };
    ring.push(bank);
    ring.push(Event { memory: Some(Memory::L1), ..bank });
    ring.push(allocate(0, 4096 + (1 << 19), 8 << 10));
    let report = ring.report(false);
    let dram = report.processes[0].devices[0].memory["DRAM"];
    assert_eq!((dram.capacity_bytes, dram.free_bytes), (Some(8 << 20), Some((8 << 20) - (8 << 10))));
    assert_eq!(dram.largest_free_block_per_bank, Some(1 << 19));
    let schema: Value = serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&json));
    let mut text = String::new();
    write_text(&mut text, &ring.analysis(false), &Screen::plain()).unwrap();
    let line = "\nFree on device 0: DRAM 8.0 MiB of 8.0 MiB, largest block 512.0 KiB per bank.\n";
    assert!(text.contains(line), "{text}");
    // A memory of which the bytes a bank of something are not known.
    let unknown = Ring::new("left-unknown");
    unknown.push(bank);
    unknown.push(Event { size_per_bank: None, ..allocate(0, 8192, 8 << 10) });
    let dram = unknown.report(false).processes[0].devices[0].memory["DRAM"];
    assert_eq!((dram.capacity_bytes, dram.free_bytes, dram.largest_free_block_per_bank), (Some(8 << 20), None, None));
}

#[test]
fn a_refusal_names_the_cheapest_allocations_that_stand_between() {
    let ring = Ring::new("ways-out");
    ring.push(Event { kind: EventKind::Capacity, extra: 8, size_per_bank: None, ..allocate(0, 4096, 4096) });
    // Of 4096 bytes a bank 512 are taken in the middle, and 64 above that.
    ring.push(allocate(0, 6144, 8 * 512));
    ring.push(allocate(0, 7168, 8 * 64));
    ring.push(Event { kind: EventKind::OutOfMemory, ..allocate(0, 0, 8 * 2500) });
    ring.push(Event { kind: EventKind::OutOfMemory, ..allocate(0, 0, 8 * 2050) });
    let analysis = ring.analysis(false);
    let json: Value = serde_json::from_str(&Report::new(&analysis, SiteStyle::default(), None).to_json()).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let ways = |refusal: usize| {
        let ways = json["processes"][0]["out_of_memory"][refusal]["ways_out"].as_array().unwrap().iter();
        let number = |way: &Value, key: &str| way[key].as_u64().unwrap();
        ways.map(|way| ["address", "block_per_bank", "released_per_bank", "allocations"].map(|key| number(way, key)))
            .collect::<Vec<_>>()
    };
    assert_eq!(ways(0), [[4096, 3072, 512, 1]]);
    assert_eq!(ways(1), [[4096, 3072, 512, 1]]);
    let mut text = String::new();
    write_text(&mut text, &analysis, &Screen::plain()).unwrap();
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let way = "the cheapest way to a block of 2.0 KiB per bank: release 1 allocation (512 B per bank), for 3.0 KiB at 0x1000: \
        4.0 KiB DRAM at 0x1800";
    assert!(squeezed.contains(way), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

/// What docs/report-json.md shows of each key: a value that the key can have.
#[test]
fn the_examples_in_the_schema_are_what_it_says_itself() {
    fn check(schema: &Value, definitions: &Value, seen: &mut usize) {
        if let Some([example]) = schema["examples"].as_array().map(Vec::as_slice) {
            let mut alone = schema.clone();
            alone["$defs"] = definitions.clone();
            let validator = jsonschema::validator_for(&alone).unwrap();
            assert!(validator.is_valid(example), "{schema:#}");
            *seen += 1;
        }
        match schema {
            Value::Object(object) => object.values().for_each(|value| check(value, definitions, seen)),
            Value::Array(values) => values.iter().for_each(|value| check(value, definitions, seen)),
            _ => {}
        }
    }
    let schema: Value = serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    let mut seen = 0;
    check(&schema, &schema["$defs"], &mut seen);
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_report_takes_nothing_out_and_says_the_same_again() {
    let ring = busy_ring("again");
    let first = ring.report(true);
    let reader = || {
        let mut session = Session::looking(RingReader::open(ring.file.path()).unwrap(), true);
        session.advance();
        Report::new(&analyse(&session), SiteStyle::default(), None)
    };
    let strip = |report: &Report| {
        let process = &report.processes[0];
        (process.events, process.devices.clone(), process.live.len(), process.marks.len())
    };
    assert_eq!(strip(&first), strip(&reader()));
    assert_eq!(first.processes[0].events.reported, first.processes[0].events.drained);
}

#[test]
fn the_first_screen_tells_the_story_in_80_columns() {
    let mut analysis = busy_ring("text").analysis(false);
    (analysis.processes[0].pid, analysis.processes[0].command) = (4242, vec!["python model.py".into()]);
    let mut text = String::new();
    write_text(&mut text, &analysis, &Screen::plain()).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(text, include_str!("busy.txt"), "\n{text}");
}

#[test]
fn many_devices_and_long_addresses_stay_in_80_columns() {
    let ring = Ring::new("wide");
    for device in (0..64).step_by(2) {
        let event = allocate(device, u64::MAX - 7, 1 << 40);
        ring.push(Event { memory: Some(Memory::SystemMemory), ..event });
        ring.push(Event { memory: Some(Memory::SystemMemory), ..event });
    }
    let pool = ring.file.pools().enter(&Pool { allocator: 1, chips: (0..320).step_by(3).collect() }).unwrap();
    ring.push(Event { kind: EventKind::OutOfMemory, target: Target::Pool(pool), ..allocate(0, 0, u64::MAX) });
    let mut text = String::new();
    write_text(&mut text, &ring.analysis(false), &Screen::plain()).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(squeezed.contains("… 62 (32 in total)") && squeezed.contains("… 318 (107 in total)"), "{text}");
}

#[test]
fn what_another_reader_took_is_nobodys_leak_and_nobodys_proof() {
    let ring = Ring::new("elsewhere");
    ring.push(allocate(0, 4096, 2048));
    ring.file.drain().drain_up_to(ring.file.queue().claimed());
    let mut drains = Session::draining(RingReader::open(ring.file.path()).unwrap(), false).unwrap();
    assert!(Session::draining(RingReader::open(ring.file.path()).unwrap(), false).is_err(), "one drains, no more");
    assert_eq!(drains.advance(), 1);
    let known = ring.report(false).processes[0].events;
    assert_eq!((known.reported, known.drained, known.drained_elsewhere), (1, 1, 0));
    drop(drains);
    // One that takes it and leaves no word of it.
    let mut other = RingReader::open(ring.file.path()).unwrap();
    other.lock_for_draining().unwrap();
    assert_eq!(other.read(&mut Vec::new(), 10), 1);
    other.release();
    let report = ring.report(false);
    let process = &report.processes[0];
    assert_eq!((process.events.reported, process.events.drained, process.events.drained_elsewhere), (1, 1, 1));
    assert_eq!(ring.analysis(false).processes[0].verdict.answer, Answer::Inconclusive);
    assert_eq!(process.findings[0].id, "drained-elsewhere");
}
