//! What is a leak and what is not: the cases that cost people weeks, with their numbers, from one run's report.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use ttmem_e2e::{Outcome, Report, Run, c_program_linked, command, folder, library, signal};

fn case(name: &str) -> Run {
    Run::new(c_program_ledger()).arg(name)
}

fn c_program_ledger() -> PathBuf {
    c_program_linked("ledger.c")
}

/// The report's one process, and all of its events accounted for.
fn told(name: &str) -> Value {
    let (outcome, report) = case(name).traced();
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    let process = report.process().clone();
    let (reported, drained, lost) = Report::events(&process);
    assert_eq!((drained, lost), (reported, 0));
    process
}

/// `ttmem` with these words, in a folder.
fn ttmem(folder: &Path, words: &[&str]) -> Outcome {
    Run::new(command()).args(words).env("TTMEM_DIR", folder).env("NO_COLOR", "1").outcome()
}

fn findings(process: &Value) -> Vec<(&str, &str)> {
    let list = process["findings"].as_array().expect("a list");
    list.iter().map(|one| (one["id"].as_str().unwrap(), one["text"].as_str().unwrap())).collect()
}

fn live_bytes(of: &Value, memory: &str) -> u64 {
    (0..8).map(|device| Report::totals(of, device, memory).live_bytes).sum()
}

#[test]
fn a_duplicate_address_is_one_region_held_by_one_of_two() {
    let process = told("duplicate");
    for device in 0..8 {
        let totals = Report::totals(&process, device, "DRAM");
        assert_eq!((totals.live_bytes, totals.live_buffers), (36_864, 2), "device {device}");
        assert_eq!((totals.allocations, totals.frees, totals.peak_bytes), (4, 2, 36_864), "device {device}");
    }
    assert_eq!(live_bytes(&process, "DRAM"), 294_912);
    let live = process["live"].as_array().unwrap();
    assert_eq!(live.len(), 16);
    for region in live {
        assert_eq!((&region["holders"], &region["reports"]), (&1.into(), &2.into()));
        let pair = (region["address"].as_u64().unwrap(), region["size"].as_u64().unwrap());
        assert!(matches!(pair, (1_073_739_776, 12_288) | (1_073_737_728, 24_576)), "{pair:?}");
    }
    let [(id, text)] = findings(&process)[..] else { panic!("{:?}", findings(&process)) };
    assert_eq!(id, "held-by-fewer");
    assert!(text.contains("program-cache binary") && text.contains("16 allocations"), "{text}");
    let explained = ttmem(folder().path(), &["explain", id]).stdout;
    assert!(explained.contains("1 of 2 owners has freed it"), "{explained}");
}

#[test]
fn a_duplicate_address_is_gone_with_the_cache_and_does_not_grow() {
    let process = told("duplicate-cleared");
    assert_eq!(live_bytes(Report::mark(&process, "views gone"), "DRAM"), 294_912);
    assert_eq!(live_bytes(Report::mark(&process, "cache cleared"), "DRAM"), 0);
    assert_eq!((process["live"].as_array().unwrap().len(), &process["unmatched_frees"]), (0, &0.into()));

    let process = told("cycles");
    assert_eq!(live_bytes(&process, "DRAM"), 0);
    assert_eq!(Report::totals(&process, 3, "DRAM").released_at_close, 6);
    let [growth] = &process["growth"].as_array().unwrap()[..] else { panic!("{}", process["growth"]) };
    assert_eq!(
        (&growth["point"], &growth["looks"], &growth["verdict"]),
        (&"closes".into(), &3.into(), &"baseline".into())
    );
    assert_eq!(growth["devices"], serde_json::json!([0, 1, 2, 3, 4, 5, 6, 7]));
    let text = growth["text"].as_str().unwrap();
    assert!(text.contains("does not grow; at the last, 2 allocations (36.0 KiB)."), "{text}");
}

#[test]
fn circular_buffers_are_the_union_and_go_without_an_address() {
    let process = told("circular");
    let placed = Report::mark(&process, "two programs");
    let totals = Report::totals(placed, 0, "CB");
    assert_eq!((totals.live_bytes, totals.live_buffers), (12_288, 6));
    let sizes: Vec<u64> = placed["live"].as_array().unwrap().iter().map(|one| one["size"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [4096, 4096, 4096, 4096, 4096, 2048], "each generation is listed");
    assert_eq!(Report::totals(Report::mark(&process, "released"), 0, "CB").live_bytes, 0);
    assert!(findings(&process).is_empty());
    assert_eq!(Report::totals(&process, 0, "CB").peak_bytes, 12_288);
}

#[test]
fn circular_buffers_that_nobody_releases_are_a_finding_and_no_leak() {
    let (outcome, report) = case("circular-kept").traced();
    assert_eq!(outcome.code(), 0);
    let process = report.process();
    assert_eq!(Report::totals(process, 0, "CB").live_bytes, 12_288);
    assert!(process["live"].as_array().unwrap().iter().all(|region| region["memory"] == "CB"));
    let [(id, text)] = findings(process)[..] else { panic!("{:?}", findings(process)) };
    assert_eq!(id, "no-cb-release");
    assert!(text.contains("no circular-buffer release was ever reported for device 0"), "{text}");
    let folder = folder();
    let program = c_program_ledger();
    let outcome = ttmem(folder.path(), &["run", "--fail-on-leak", "--", program.to_str().unwrap(), "circular-kept"]);
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("Clean: every allocation was freed by its owner."), "{}", outcome.stderr);
}

#[test]
fn what_the_allocator_does_not_know_is_released_at_close_with_its_holders() {
    let process = told("preallocated");
    assert_eq!(Report::totals(&process, 0, "L1").live_bytes, 0);
    let [region] = &process["released_at_close"].as_array().unwrap()[..] else { panic!("{process:#}") };
    assert_eq!((&region["holders"], &region["reports"], &region["size"]), (&2.into(), &2.into(), &65_536.into()));
    assert_eq!((&process["unmatched_frees"], &process["anomalies"]["late_frees"]), (&0.into(), &1.into()));
}

#[test]
fn growth_is_told_from_a_baseline_with_its_rate() {
    let process = told("leak");
    let growth = process["growth"].as_array().unwrap();
    let marks = growth.iter().find(|one| one["point"] == "marks").expect("a loop of marks");
    assert_eq!(
        (&marks["name"], &marks["looks"], &marks["verdict"]),
        (&"iteration #".into(), &5.into(), &"grows".into())
    );
    assert_eq!(marks["text"], "5 marks \"iteration #\": grows, 8 allocations (36.0 KiB) per iteration.");
    assert_eq!((&marks["regions_per_iteration"], &marks["bytes_per_iteration"]), (&8.into(), &36_864.into()));
    let source = |size: u64| {
        let sources = marks["sources"].as_array().unwrap();
        sources.iter().find(|source| source["size"] == size).unwrap_or_else(|| panic!("{marks:#}"))["verdict"].clone()
    };
    assert_eq!((source(4608), source(4096)), ("grows".into(), "baseline".into()));
}

#[test]
fn samples_in_the_middle_of_runs_prove_no_growth() {
    let process = told("samples");
    let regions = |mark: &str| -> u64 {
        (0..8).map(|device| Report::totals(Report::mark(&process, mark), device, "DRAM").live_buffers).sum()
    };
    assert_eq!((regions("after a run"), regions("one tensor"), regions("three tensors")), (3, 11, 27));
    let [growth] = &process["growth"].as_array().unwrap()[..] else { panic!("{}", process["growth"]) };
    assert_eq!((&growth["name"], &growth["verdict"]), (&"after a run".into(), &"baseline".into()));
    assert!(
        growth["text"].as_str().unwrap().contains("does not grow; at the last, 3 allocations (12.0 KiB)."),
        "{growth}"
    );
}

/// Records a case; returns the file.
fn record(folder: &Path, file: &str, words: &[&str]) -> String {
    let path = folder.join(file).to_str().unwrap().to_owned();
    let program = c_program_ledger();
    let outcome = Run::new(command())
        .env("TTMEM_DIR", folder.join("rings"))
        .args(["record", "--quiet", "-o", &path, "--", program.to_str().unwrap()])
        .args(words)
        .outcome();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{words:?}");
    path
}

#[test]
fn separate_runs_are_compared_by_diff() {
    let folder = folder();
    let (one, two, ten) = (
        record(folder.path(), "one.ttmem", &["left", "2"]),
        record(folder.path(), "two.ttmem", &["left", "2"]),
        record(folder.path(), "ten.ttmem", &["left", "10"]),
    );
    let same = ttmem(folder.path(), &["diff", &one, &two, "--fail-on-growth"]);
    assert_eq!(same.code(), 0, "{}", same.stderr);
    assert!(same.stdout.contains("No difference"), "{}", same.stdout);
    let json = folder.path().join("diff.json");
    let grown = ttmem(folder.path(), &["diff", &one, &ten, "--fail-on-growth", "--json", json.to_str().unwrap()]);
    assert_eq!(grown.code(), 23, "{}", grown.stderr);
    assert!(grown.stdout.contains("B has 8 allocations, 288.0 KiB more than A."), "{}", grown.stdout);
    let difference: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!((&difference["regions_change"], &difference["bytes_change"]), (&8.into(), &294_912.into()));
    let [change] = &difference["changes"].as_array().unwrap()[..] else { panic!("{difference:#}") };
    assert_eq!((&change["change"], &change["size"], &change["regions_a"]), (&"grew".into(), &36_864.into(), &2.into()));
    assert_eq!(ttmem(folder.path(), &["diff", &one, &ten, "--fail-on-growth=1MiB"]).code(), 0);
}

#[test]
fn two_marks_of_one_recording_are_compared() {
    let folder = folder();
    let file = record(folder.path(), "leak.ttmem", &["leak"]);
    let between = |from: &str, to: &str| ttmem(folder.path(), &["diff", "--from", from, "--to", to, &file]);
    let told = between("iteration 1", "iteration 3");
    assert!(told.stdout.contains("B has 16 allocations, 72.0 KiB more than A."), "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.contains("1 to 3") && told.stdout.contains("devices 0-7"), "{}", told.stdout);
    let wrong = between("iteration 1", "iteration 9");
    assert_eq!(wrong.code(), 2);
    assert!(wrong.stderr.contains("no mark \"iteration 9\"; it has \"iteration 1\""), "{}", wrong.stderr);
    assert_eq!(wrong.stderr.lines().count(), 1);
}

#[test]
fn a_recording_tells_what_a_run_tells() {
    for name in ["duplicate", "cycles", "circular-kept", "leak", "odd", "preallocated"] {
        let run = told(name);
        let folder = folder();
        let file = record(folder.path(), "file.ttmem", &[name]);
        let json = folder.path().join("report.json");
        let words = ["report", "--quiet", "--live-at-marks", "--json", json.to_str().unwrap(), &file];
        let outcome = ttmem(folder.path(), &words);
        assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
        let report: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
        let mut replayed = report["processes"][0].clone();
        let mut run = run;
        for process in [&mut run, &mut replayed] {
            without_what_differs(process);
        }
        assert_eq!(replayed, run, "{name}");
    }
}

/// Ids and times are another run's.
fn without_what_differs(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for name in
                ["pid", "ring_id", "started_at", "allocated_at_ns", "at_ns", "thread", "span_ns", "bytes_per_second"]
            {
                fields.remove(name);
            }
            fields.values_mut().for_each(without_what_differs);
        }
        Value::Array(list) => list.iter_mut().for_each(without_what_differs),
        _ => {}
    }
}

#[test]
fn a_killed_process_leaves_orphans_and_its_signal() {
    let (outcome, report) = case("killed").traced();
    assert_eq!(outcome.code(), 128 + 9);
    let process = report.process();
    assert_eq!(process["ended"], serde_json::json!({ "signal": 9 }));
    assert!(process["live"].as_array().unwrap().iter().all(|region| region["state"] == "orphaned"));
    assert_eq!(process["live"].as_array().unwrap().len(), 4);
    // The device as a whole: a process that has ended holds nothing.
    let shared = &report.json()["devices"][0]["memory"]["DRAM"];
    assert_eq!((&shared["live_bytes"], &shared["left_bytes"]), (&0.into(), &73_728.into()));
}

#[test]
fn a_killed_process_is_dead_for_live_views_within_a_second() {
    let folder = folder();
    let mut child = Command::new(c_program_ledger())
        .arg("wait")
        .env("LD_PRELOAD", library())
        .env("TTMEM_DIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let row = || -> Value {
        let list: Value = serde_json::from_str(&ttmem(folder.path(), &["ls", "--json"]).stdout).unwrap();
        list[0].clone()
    };
    let alive = row();
    assert_eq!((&alive["alive"], &alive["live_bytes"]), (&true.into(), &(73_728 + 512).into()));
    child.kill().unwrap();
    // Not waited for yet: a zombie of that number is there, and its ring is dead all the same.
    let since = Instant::now();
    let dead = loop {
        let row = row();
        if row["alive"] == false {
            break row;
        }
        assert!(since.elapsed() < Duration::from_secs(1), "{row}");
    };
    assert_eq!((&dead["live_bytes"], &dead["orphaned_bytes"]), (&0.into(), &(73_728 + 512).into()));
    child.wait().unwrap();
}

#[test]
fn odd_events_are_counted_and_no_total_goes_wrong() {
    let process = told("odd");
    assert_eq!(process["unmatched_frees"], 3);
    assert_eq!(process["anomalies"]["double_frees"], 1);
    assert_eq!(Report::totals(Report::mark(&process, "reused"), 0, "L1").live_bytes, 2048);
    assert_eq!(Report::totals(&process, 0, "L1").live_bytes, 0);
    let row = |device| Report::totals(&process, device, "DRAM");
    assert_eq!((row(2).live_buffers, row(2).live_bytes), (1, 0));
    assert_eq!((row(3).live_buffers, row(3).live_bytes), (2, u64::MAX));
    assert_eq!((row(-7).live_bytes, row(i64::from(i32::MIN)).live_bytes), (100, 100));
    assert_eq!(Report::totals(&process, -7, "CB").live_bytes, u64::MAX);
}

#[test]
fn a_leak_fails_a_run_but_not_where_it_is_allowed_or_suppressed() {
    let folder = folder();
    let program = c_program_ledger();
    let rules = folder.path().join("rules");
    fs::write(&rules, "# known\nmemory:DRAM size:36KiB   # the table\nmemory:L1 device:3\n").unwrap();
    let run = |options: &[&str], number: &str| {
        Run::new(command())
            .env("TTMEM_DIR", folder.path().join("rings"))
            .arg("run")
            .args(options)
            .arg("--")
            .arg(&program)
            .args(["left", number])
            .outcome()
    };
    let rules = rules.to_str().unwrap();
    assert_eq!(run(&["--fail-on-leak"], "2").code(), 0, "it left something, and nothing grows");
    assert_eq!(run(&["--fail-on-leftover"], "2").code(), 23);
    assert_eq!(run(&["--fail-on-leftover=1MiB"], "2").code(), 0);
    assert_eq!(run(&["--fail-on-leftover=74239"], "2").code(), 23);
    let suppressed = run(&["--fail-on-leftover=512", "--suppressions", rules], "2");
    assert_eq!(suppressed.code(), 0, "{}", suppressed.stderr);
    assert!(suppressed.stderr.contains("2 allocations by line 2: memory:DRAM size:36KiB"), "{}", suppressed.stderr);
    assert_eq!(run(&["--fail-on-leftover", "--suppressions", rules], "2").code(), 23, "512 B of L1 are not covered");
    let wrong = folder.path().join("wrong");
    fs::write(&wrong, "memory:DRAM\nmemory:L9\n").unwrap();
    let told = run(&["--suppressions", wrong.to_str().unwrap()], "1");
    assert_eq!(told.code(), 2);
    assert!(told.stderr.contains("wrong:2: \"L9\" is no memory"), "{}", told.stderr);
    assert!(run(&["--fail-on-leftover=much"], "1").code() == 2);
    let old = run(&["--fail-on-leak=512"], "1");
    assert!(old.code() == 2 && old.stderr.contains("--fail-on-leftover=512"), "{}", old.stderr);
}

#[test]
fn a_recording_that_was_cut_short_is_read_as_far_as_it_goes() {
    let folder = folder();
    let path = folder.path().join("cut.ttmem");
    let mut recorder = Command::new(command())
        .env("TTMEM_DIR", folder.path().join("rings"))
        .args(["record", "--quiet", "-o", path.to_str().unwrap(), "--"])
        .arg(c_program_ledger())
        .arg("wait")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(recorder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    // The recording is written once a second at least.
    let since = Instant::now();
    let told = loop {
        let outcome = ttmem(folder.path(), &["report", path.to_str().unwrap()]);
        if outcome.stdout.contains("3 reported, 3 drained, 0 lost") {
            break outcome.stdout;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{outcome:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    assert!(told.contains("Inconclusive: the recording was cut short after 3 events."), "{told}");
    assert_eq!(ttmem(folder.path(), &["report", path.to_str().unwrap()]).stdout, told);
    // Half a block at the end is no harm, a wrong byte in the middle is.
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(ttmem(folder.path(), &["report", path.to_str().unwrap()]).code(), 0);
    let mut wrong = bytes;
    let middle = wrong.len() / 2;
    wrong[middle] ^= 1;
    fs::write(&path, wrong).unwrap();
    let outcome = ttmem(folder.path(), &["report", path.to_str().unwrap()]);
    assert_eq!((outcome.code(), outcome.stderr.lines().count()), (2, 1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("damaged at byte"), "{}", outcome.stderr);
    // What the recorder left behind: the program still waits.
    let rows: Value = serde_json::from_str(&ttmem(&folder.path().join("rings"), &["ls", "--json"]).stdout).unwrap();
    signal("KILL", rows[0]["pid"].as_u64().unwrap());
}
