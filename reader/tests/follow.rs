//! Regions of a program in the report, and `ttmem follow`: questions about a process while it runs.
//!
//! The rings are made in this process, with the shim's own half of the ring crate.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use ttmem_reader::{
    Follower, Session, SiteStyle, Suppressions, Target, Tell,
    analysis::Analysis,
    replay::{Input, replay},
    report::{Report, Screen, write_text},
};
use ttmem_ring::{CreateOptions, RingFile, RingReader};
use ttmem_wire::{Event, EventKind, Memory, split_mark};

struct Ring {
    file: RingFile,
    folder: PathBuf,
    drain: std::cell::RefCell<ttmem_ring::Drain<'static>>,
    ticks: std::cell::Cell<u64>,
}

impl Ring {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ttmem-follow-{name}-{}", std::process::id()));
        let options = CreateOptions { folder: &folder, ring_bytes: 65_536, queue_slots: 1024, producer: "test" };
        let file = RingFile::create(&options).unwrap();
        let drain = std::cell::RefCell::new(file.drain());
        Self { file, folder, drain, ticks: std::cell::Cell::new(0) }
    }

    fn push(&self, event: Event) {
        self.ticks.set(self.ticks.get() + 1000);
        let [_, payload @ ..] = Event { ticks: self.ticks.get(), ..event }.encode().words;
        self.file.queue().push(&payload).unwrap();
    }

    fn mark(&self, name: &str) {
        split_mark(name.as_bytes()).for_each(|part| self.push(part));
    }

    fn allocate(&self, address: u64, size: u64) {
        self.push(memory(EventKind::Allocate, address, size));
    }

    fn free(&self, address: u64) {
        self.push(memory(EventKind::Free, address, 0));
    }

    fn flush(&self) {
        self.drain.borrow_mut().drain_up_to(self.file.queue().claimed());
    }

    fn follower(&self) -> Follower {
        self.follower_with(Suppressions::default())
    }

    fn follower_with(&self, suppressions: Suppressions) -> Follower {
        let folders = vec![self.folder.clone()];
        Follower::new(Target::Process { pid: std::process::id(), folders }, suppressions)
    }

    /// A suppression file with these rules.
    fn rules(&self, rules: &str) -> PathBuf {
        let path = self.folder.join("known.txt");
        std::fs::write(&path, rules).unwrap();
        path
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn memory(kind: EventKind, address: u64, size: u64) -> Event {
    let target = ttmem_wire::Target::Device(0);
    Event { kind, memory: Some(Memory::Dram), target, address, size, ..Event::default() }
}

fn on(device: i32, event: Event) -> Event {
    Event { target: ttmem_wire::Target::Device(device), ..event }
}

fn ask(follower: &mut Follower, question: &Value) -> Value {
    serde_json::from_str(&follower.answer(&question.to_string())).unwrap()
}

/// A test as the pytest plugin marks it: a fixture of wider scope within its setup, and a call that leaves something.
fn a_test(ring: &Ring) {
    ring.allocate(1, 1000);
    ring.mark("\u{1f}region:begin:p1:test_it[a:b]");
    ring.mark("\u{1f}region:begin:p2:setup");
    ring.mark("\u{1f}region:apart:p3:fixture weights");
    ring.allocate(2, 5000);
    ring.mark("\u{1f}region:end:p3");
    ring.mark("\u{1f}region:end:p2");
    ring.mark("\u{1f}region:begin:p4:call");
    ring.allocate(3, 30);
    ring.allocate(4, 7);
    ring.free(3);
    ring.mark("\u{1f}region:end:p4");
}

#[test]
fn regions_are_in_the_report_and_their_marks_are_not() {
    let ring = Ring::new("report");
    a_test(&ring);
    ring.mark("a mark for people");
    ring.flush();
    let mut session = Session::looking(RingReader::open(ring.file.path()).unwrap(), false);
    session.advance();
    let analysis = Analysis::new([&session], &Suppressions::default(), SiteStyle::default());
    let report = Report::new(&analysis, SiteStyle::default(), None);
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    let schema: Value = serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let process = &json["processes"][0];
    assert_eq!(process["marks"].as_array().unwrap().len(), 1);
    let names: Vec<&str> =
        process["regions"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["test_it[a:b]", "setup", "fixture weights", "call"]);
    let test = &process["regions"][0];
    assert_eq!((&test["end_ns"], &test["left_behind"]), (&Value::Null, &json!({ "buffers": 1, "bytes": 7 })));
    assert_eq!(test["left_apart"], json!({ "buffers": 1, "bytes": 5000 }));
    let dram = &test["devices"][0]["memory"]["DRAM"];
    assert_eq!(
        (&dram["begin_bytes"], &dram["peak_bytes"], &dram["own_peak_bytes"]),
        (&json!(1000), &json!(6037), &json!(37))
    );
    // What was written is read again.
    assert_eq!(Report::from_json(report.to_json().as_bytes()).unwrap().processes[0].regions.len(), 4);
    let mut text = String::new();
    write_text(&mut text, &analysis, &Screen::plain()).unwrap();
    assert!(text.contains("\nRegions ") && text.contains("  test_it[a:b]"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn answers_are_exact_up_to_the_mark_that_they_wait_for() {
    let ring = Ring::new("answers");
    let mut follower = ring.follower();
    assert_eq!(ask(&mut follower, &json!({ "ask": "now", "tag": 7 }))["tag"], 7);
    a_test(&ring);
    ring.mark("\u{1f}sync:1");
    ring.flush();
    let answer = ask(&mut follower, &json!({ "ask": "region", "id": "p1", "after": "\u{1f}sync:1" }));
    assert_eq!((&answer["answer"], &answer["complete"]), (&json!("region"), &json!(true)), "{answer}");
    assert_eq!(answer["region"]["left_behind_regions"][0]["address"], 4);
    let nested: Vec<_> =
        answer["nested"].as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).collect();
    assert_eq!(nested, ["setup", "fixture weights", "call"]);
    // The region goes on, and its answer with it; by name it is the same.
    ring.free(4);
    ring.mark("\u{1f}region:end:p1");
    ring.mark("a name of mine");
    ring.flush();
    let answer = ask(&mut follower, &json!({ "ask": "region", "name": "test_it[a:b]", "after": "a name of mine" }));
    assert_eq!(answer["region"]["left_behind"]["bytes"], 0, "{answer}");
    assert!(answer["region"]["end_ns"].is_u64());
    let now = ask(&mut follower, &json!({ "ask": "now" }));
    assert_eq!(now["devices"][0]["memory"]["DRAM"]["live_bytes"], 6000);
    assert_eq!((&now["alive"], &now["open_regions"]), (&json!(true), &json!([])));
    let report = ask(&mut follower, &json!({ "ask": "report" }));
    assert_eq!(report["report"]["processes"][0]["regions"].as_array().unwrap().len(), 4);
}

#[test]
fn what_cannot_be_answered_is_said_in_a_line() {
    let ring = Ring::new("errors");
    let mut follower = ring.follower();
    for (question, why) in [
        (json!({ "ask": "now", "after": "never", "timeout_ms": 30 }), "the mark \"never\" was not seen within 30 ms"),
        (json!({ "ask": "region", "name": "no such" }), "no region with the name \"no such\" has begun"),
        (json!({ "ask": "region" }), "which region? add \"id\" or \"name\""),
        (json!({ "ask": "record_end" }), "no recording was begun"),
        (json!({ "ask": "record" }), "which file?"),
        (json!({ "ask": "record", "file": "/nonexistent/a" }), "/nonexistent/a: cannot be written: No such file"),
        (json!({ "ask": "dance" }), "not a question"),
        (json!({ "ask": "now", "afterwards": 1 }), "not a question"),
    ] {
        let answer = ask(&mut follower, &question);
        assert_eq!(answer["answer"], "error");
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    }
    // One drains, no more.
    let answer = ask(&mut ring.follower(), &json!({ "ask": "now", "after": "x" }));
    assert!(answer["error"].as_str().unwrap().contains("drain"), "{answer}");
    assert_eq!(answer["complete"], false);
}

#[test]
fn what_a_rule_covers_is_counted_apart() {
    let ring = Ring::new("suppressed");
    let rules = ring.rules("memory:L1\n\nmemory:DRAM size:7 # known\n");
    let mut follower = ring.follower_with(Suppressions::read(&rules).unwrap());
    a_test(&ring);
    ring.allocate(8, 9);
    ring.allocate(9, 7);
    ring.mark("\u{1f}sync:1");
    ring.flush();
    let answer = ask(&mut follower, &json!({ "ask": "region", "id": "p1", "after": "\u{1f}sync:1" }));
    let region = &answer["region"];
    // What was left is the sum of both, as without a rule.
    assert_eq!(region["left_behind"], json!({ "buffers": 3, "bytes": 23 }));
    assert_eq!(region["left_suppressed"], json!({ "buffers": 2, "bytes": 14 }));
    assert_eq!(region["devices"][0]["memory"]["DRAM"]["left_suppressed"], region["left_suppressed"]);
    assert_eq!(answer["nested"][2]["left_suppressed"], json!({ "buffers": 1, "bytes": 7 }));
    let leftover = answer["leftover"].as_array().unwrap();
    assert_eq!((leftover.len(), &leftover[0]["address"], &leftover[0]["size"]), (1, &json!(8), &json!(9)));
    let used = json!([{ "rule": "memory:DRAM size:7", "line": 3, "regions": 2, "bytes": 14, "growth": 0 }]);
    assert_eq!(answer["suppressions"], used);
    let covered: Vec<&Value> = region["left_behind_regions"].as_array().unwrap().iter().collect();
    assert_eq!(covered.iter().filter(|one| one["suppressed_by"] == "memory:DRAM size:7").count(), 2);
    // The report, and the verdict, judge by the same rules.
    let report = ask(&mut follower, &json!({ "ask": "report" }));
    assert_eq!(report["report"]["suppressions"][1]["bytes"], 14);
    assert_eq!(report["report"]["processes"][0]["regions"][0]["left_suppressed"], region["left_suppressed"]);
}

#[test]
fn devices_that_have_the_same_left_are_one_entry() {
    let ring = Ring::new("alike");
    let mut follower = ring.follower();
    ring.mark("\u{1f}region:begin:p1:test");
    for device in [2, 0, 1] {
        ring.push(on(device, memory(EventKind::Allocate, 0x100, 50)));
    }
    ring.push(on(1, memory(EventKind::Allocate, 0x200, 60)));
    ring.flush();
    let answer = ask(&mut follower, &json!({ "ask": "region", "id": "p1" }));
    let told: Vec<_> =
        answer["leftover"].as_array().unwrap().iter().map(|one| (&one["size"], &one["devices"])).collect();
    assert_eq!(told, [(&json!(60), &json!([1])), (&json!(50), &json!([0, 1, 2]))]);
}

#[test]
fn the_verdict_is_that_of_the_report() {
    let ring = Ring::new("verdict");
    let mut follower = ring.follower();
    let nobody = ask(
        &mut Follower::new(Target::Process { pid: 1, folders: vec![] }, Suppressions::default()),
        &json!({ "ask": "verdict" }),
    );
    assert!(nobody["error"].as_str().unwrap().contains("no ring yet"), "{nobody}");
    for step in 0..12 {
        ring.allocate(0x1000 + step, 64);
        ring.mark(&format!("step {step}"));
    }
    ring.flush();
    let answer = ask(&mut follower, &json!({ "ask": "verdict" }));
    assert_eq!((&answer["answer"], &answer["verdict"]["answer"]), (&json!("verdict"), &json!("leak")), "{answer}");
    assert_eq!(answer["verdict"]["leaks"][0]["name"], "step #");
    let report = ask(&mut follower, &json!({ "ask": "report" }));
    assert_eq!(report["report"]["processes"][0]["verdict"], answer["verdict"]);
    // Suppressed, it is none.
    drop(follower);
    let rules = ring.rules("size:64");
    let mut follower = ring.follower_with(Suppressions::read(&rules).unwrap());
    let answer = ask(&mut follower, &json!({ "ask": "verdict" }));
    assert_eq!((&answer["verdict"]["answer"], &answer["suppressions"][0]["growth"]), (&json!("clean"), &json!(1)));
}

#[test]
fn a_recording_begins_with_what_is_live() {
    let (ring, path) = (Ring::new("record"), std::env::temp_dir().join(format!("part-{}.ttmem", std::process::id())));
    let mut follower = ring.follower();
    (1..=3).for_each(|address| ring.allocate(address, 100));
    ring.mark("before");
    ring.flush();
    ask(&mut follower, &json!({"ask": "record", "file": path}));
    ring.free(1);
    ring.allocate(4, 30);
    ring.flush();
    // Three that are live, the mark, and two events of the process.
    assert_eq!(ask(&mut follower, &json!({"ask": "record_end"}))["events"], 6);
    ring.allocate(5, 7);
    ring.flush();
    follower.advance();
    let recording = replay(&Input::open(&path, false).unwrap()).unwrap();
    let _ = std::fs::remove_file(&path);
    let account = recording.processes[0].told().account;
    let live =
        |totals: &[(i32, Memory, ttmem_ledger::Totals)]| totals.iter().map(|sums| sums.2.live_bytes).sum::<u64>();
    let marks: Vec<_> = account.marks().iter().map(|mark| (mark.name.as_str(), live(&mark.totals))).collect();
    assert_eq!((live(&account.ledger().totals()), marks), (230, vec![("recording begins", 300)]));
    assert_eq!((account.ledger().anomalies(), recording.is_cut), (Default::default(), false));
    assert_eq!(recording.processes[0].told().counts.reported, 6);
}

#[test]
fn what_another_took_before_is_told() {
    let ring = Ring::new("late");
    a_test(&ring);
    ring.flush();
    let mut first = Session::draining(RingReader::open(ring.file.path()).unwrap(), false).unwrap();
    first.advance();
    drop(first);
    let answer = ask(&mut ring.follower(), &json!({ "ask": "now" }));
    assert_eq!((&answer["complete"], &answer["events"]["drained_elsewhere"]), (&json!(true), &json!(0)));
    // One that takes them and leaves no word of them.
    let mut other = RingReader::open(ring.file.path()).unwrap();
    other.lock_for_draining().unwrap();
    assert!(other.read(&mut Vec::new(), 1000) > 0);
    other.release();
    drop(other);
    let answer = ask(&mut ring.follower(), &json!({ "ask": "now" }));
    assert_eq!(
        (&answer["complete"], &answer["events"]["drained_elsewhere"]),
        (&json!(false), &answer["events"]["drained"])
    );
}

struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Process {
    fn new(ring: &Ring, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ttmem"))
            .arg("follow")
            .args(arguments)
            .env("TTMEM_DIR", &ring.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        assert_eq!(process.next()["hello"], "ttmem-follow/1");
        process
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.child.stdin.as_mut().unwrap(), "{question}").unwrap();
        self.next()
    }
}

#[test]
fn the_command_answers_line_by_line_and_ends_with_its_input() {
    let ring = Ring::new("command");
    let pid = std::process::id().to_string();
    let mut process = Process::new(&ring, &["--pid", &pid]);
    a_test(&ring);
    ring.mark("\u{1f}sync:1");
    ring.flush();
    let answer = process.ask(&json!({ "ask": "region", "id": "p4", "after": "\u{1f}sync:1" }));
    assert_eq!(answer["region"]["left_behind"]["bytes"], 7);
    assert_eq!(process.ask(&json!("?"))["answer"], "error");
    drop(process.child.stdin.take());
    assert!(process.child.wait().unwrap().success());
    // The process lives: its ring stays, and who looks next knows all that this one took.
    assert!(ring.file.path().exists());
    let mut process = Process::new(&ring, &[ring.file.path().to_str().unwrap()]);
    assert_eq!(process.ask(&json!({ "ask": "now" }))["complete"], true);
    drop(process.child.stdin.take());
    assert!(process.child.wait().unwrap().success());
    let refused = Command::new(env!("CARGO_BIN_EXE_ttmem")).args(["follow", "/no/such.ring"]).output().unwrap();
    assert_eq!((refused.status.code(), String::from_utf8_lossy(&refused.stderr).lines().count()), (Some(2), 1));
}

#[test]
fn a_bad_suppression_file_is_one_line() {
    let ring = Ring::new("bad-rules");
    let rules = ring.rules("memory:DRAM\ncolour:red\n");
    let pid = std::process::id().to_string();
    for (name, variable) in [(true, false), (false, true)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ttmem"));
        command.args(["follow", "--pid", &pid]).stdin(Stdio::null());
        if name {
            command.arg("--suppressions").arg(&rules);
        }
        if variable {
            command.env("TTMEM_SUPPRESSIONS", &rules);
        }
        let refused = command.output().unwrap();
        let line = String::from_utf8_lossy(&refused.stderr);
        assert_eq!((refused.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains("known.txt:2: \"colour\" is no condition"), "{line}");
        assert!(refused.stdout.is_empty());
    }
}
