//! Scenarios against the simulated tt-metal: at every step, what ttmem says equals the simulator's own books.

use std::{collections::HashMap, fs, path::PathBuf};

use serde_json::{Value, json};
use ttmem_e2e::{Outcome, Report, Run, Variant, folder, library, simulation};

/// How a scenario gets tt-metal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loading {
    /// As Python does it: `RTLD_LOCAL`.
    Local,
    /// The program links it.
    Linked,
    /// The same as `Local`, and the library is not preloaded but started by hand.
    Started,
    /// The same, and the program links tt-metal.
    StartedLinked,
}

fn scenario(variant: Variant, loading: Loading, name: &str) -> Run {
    let simulation = simulation(variant);
    match loading {
        Loading::Local => Run::new(simulation.join("local")).arg(simulation.join("libscenarios.so")).arg(name),
        Loading::Linked => Run::new(simulation.join("linked")).arg(name),
        Loading::Started | Loading::StartedLinked => {
            let words = ["-u", "LD_PRELOAD"].map(PathBuf::from);
            let program = if loading == Loading::Started { "started" } else { "started-linked" };
            let files = [simulation.join(program), library().to_path_buf(), simulation.join("libscenarios.so")];
            Run::new("/usr/bin/env").args(words.iter().chain(&files)).arg(name)
        }
    }
}

/// Runs a scenario plain and traced: it must not notice. Returns the outcome, the report's one process, and the steps with
/// the simulator's truth.
fn compare(variant: Variant, loading: Loading, name: &str) -> (Outcome, Value, Vec<(String, Value)>) {
    let files = folder();
    let truth_file = files.path().join("truth");
    // Without ttmem one way of starting it is none.
    let without = if loading == Loading::Linked { loading } else { Loading::Local };
    let plain = scenario(variant, without, name).outcome();
    let (traced, report) = scenario(variant, loading, name).arg(&truth_file).traced();
    assert_eq!(traced.stdout, plain.stdout, "{name}");
    assert_eq!(traced.stderr, plain.stderr, "{name}");
    assert_eq!(traced.code(), plain.code(), "{name}");
    let truth = fs::read_to_string(&truth_file).expect("the truth file");
    let steps = truth.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("a line of truth");
        (line["step"].as_str().expect("a step").to_owned(), line["truth"].clone())
    });
    (traced, report.process().clone(), steps.collect())
}

/// Rows of `truth` and of `told` are the same; a row that only one of them has must be empty.
fn assert_rows(truth: &Value, told: &Value, fields: &[&str], at: &str) {
    let empty = Vec::new();
    let rows = |side: &Value| -> Vec<(i64, String, Vec<Value>)> {
        let mut rows = Vec::new();
        for device in side["devices"].as_array().unwrap_or(&empty) {
            for (memory, row) in device["memory"].as_object().expect("memories") {
                let values: Vec<Value> = fields.iter().map(|&field| row[field].clone()).collect();
                if values.iter().any(|value| value != 0) {
                    rows.push((device["device_id"].as_i64().expect("a device"), memory.clone(), values));
                }
            }
        }
        rows.sort_by_key(|row| (row.0, row.1.clone()));
        rows
    };
    assert_eq!(rows(told), rows(truth), "{at}: {fields:?}, ttmem left, truth right");
}

/// The same regions live, whatever their order.
fn assert_live(truth: &Value, told: &Value, at: &str) {
    let list = |side: &Value| {
        let mut list: Vec<String> = Vec::new();
        for region in side["live"].as_array().expect("a list of live regions") {
            let is_program = ["CB", "DFB", "SCRATCHPAD"].iter().any(|memory| region["memory"] == *memory);
            let fields = ["device_id", "memory", "address", "size", "size_per_bank", "holders", "reports"];
            let told = fields.iter().take(if is_program { 4 } else { 7 }).map(|&field| region[field].to_string());
            list.push(told.collect::<Vec<_>>().join(" "));
        }
        list.sort();
        list
    };
    assert_eq!(list(told), list(truth), "{at}: ttmem left, truth right");
}

const LIVE: [&str; 3] = ["live_buffers", "live_bytes", "live_bytes_per_bank"];
const COUNTS: [&str; 3] = ["allocations", "frees", "released_at_close"];
const PEAKS: [&str; 2] = ["peak_bytes", "peak_bytes_per_bank"];

/// Runs the scenario both ways; every step is equal in every figure, no event is lost or odd.
fn exact(name: &str) -> Value {
    exact_on(Variant::Wheel, name, &[&LIVE, &COUNTS, &PEAKS])
}

fn exact_on(variant: Variant, name: &str, fields: &[&[&str]]) -> Value {
    let mut last = Value::Null;
    for loading in [Loading::Linked, Loading::Local, Loading::Started, Loading::StartedLinked] {
        let (_, process, steps) = compare(variant, loading, name);
        assert!(!steps.is_empty());
        let marks = process["marks"].as_array().expect("marks");
        let names = |mark: &Value| mark["name"].as_str().map(str::to_owned);
        let told: Vec<_> = marks.iter().filter_map(names).collect();
        assert_eq!(told, steps.iter().map(|step| step.0.clone()).collect::<Vec<_>>());
        for (mark, (step, truth)) in marks.iter().zip(&steps) {
            let at = format!("{name}, {loading:?}, {step}");
            for fields in fields {
                assert_rows(truth, mark, fields, &at);
            }
            if fields.len() > 1 {
                assert_live(truth, mark, &at);
            }
        }
        let (reported, drained, lost) = Report::events(&process);
        assert_eq!((drained, lost), (reported, 0));
        assert_eq!(process["unmatched_frees"], 0);
        last = process;
    }
    last
}

fn live_count(process: &Value) -> usize {
    process["live"].as_array().expect("a list of live regions").len()
}

/// Tracking that begins late knows what is live from the first event of each allocator on; what was there has no call site.
#[test]
fn tracking_begins_late_ends_and_begins_again() {
    [Loading::Started, Loading::StartedLinked].into_iter().for_each(begins_late);
}

fn begins_late(loading: Loading) {
    let files = folder();
    let truth_file = files.path().join("truth");
    let (outcome, report) = scenario(Variant::Wheel, loading, "late").arg(&truth_file).traced();
    assert_eq!(outcome.stderr, "");
    assert_eq!(outcome.code(), 0);
    let truth = fs::read_to_string(&truth_file).expect("the truth file");
    let truth: HashMap<String, Value> = truth
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line of truth"))
        .map(|line| (line["step"].as_str().expect("a step").to_owned(), line["truth"].clone()))
        .collect();
    let of = |ended: Value| {
        let mut rings = report.processes().iter().filter(|process| process["ended"] == ended);
        rings.next().unwrap_or_else(|| panic!("{ended}: {:#?}", report.processes()))
    };
    let (first, second) = (of(json!({"stopped": true})), of(json!({"code": 0})));
    for (process, steps) in [(first, &["first events", "stop"][..]), (second, &["second ring", "all freed"])] {
        for step in steps {
            let mark = Report::mark(process, step);
            assert_rows(&truth[*step], mark, &LIVE, step);
            assert_live(&truth[*step], mark, step);
        }
        assert_eq!((Report::events(process).2, &process["unmatched_frees"]), (0, &0.into()));
    }
    assert_eq!(report.processes().len(), 2);
    assert_eq!(first["verdict"]["answer"], "clean", "nothing is left by a process that runs on");
    let sites = |step| {
        let live = Report::mark(first, step)["live"].as_array().expect("a list").clone();
        live.iter().filter(|one| one["site"][0] == "allocated before tracking began (ttmem)").count()
    };
    // Of two chips: five tensors, of which one was being allocated when tracking began; then three of them.
    assert_eq!((sites("first events"), sites("stop")), (10, 6));
}

#[test]
fn every_memory_on_one_chip() {
    assert_eq!(live_count(&exact("chips-1")), 0);
}

#[test]
fn every_memory_on_8_chips() {
    assert_eq!(live_count(&exact("chips-8")), 0);
}

#[test]
fn every_memory_on_32_chips() {
    assert_eq!(live_count(&exact("chips-32")), 0);
}

#[test]
fn what_lives_at_close_is_released_and_addresses_come_again() {
    let process = exact("closing");
    assert_eq!(live_count(&process), 0);
    // Three tensors on 8 chips, then one, which dies after the close.
    assert_eq!(process["released_at_close"].as_array().expect("a list").len(), 3 * 8 + 8);
}

#[test]
fn out_of_memory_is_told_and_passes_through() {
    let process = exact("out-of-memory");
    let told = process["out_of_memory"].as_array().expect("a list");
    let facts: Vec<_> =
        told.iter().map(|one| (&one["memory"], &one["size"], &one["devices"], &one["live_bytes"])).collect();
    let devices = &serde_json::json!([0, 1]);
    assert_eq!(
        facts,
        [
            (&"L1".into(), &(33_u64 << 20).into(), devices, &(32_u64 << 20).into()),
            (&"DRAM".into(), &(1_u64 << 40).into(), devices, &0.into())
        ]
    );
}

#[test]
fn out_of_memory_tells_what_was_free_and_who_held_the_rest() {
    let process = exact("fragmented");
    let [refused] = &process["out_of_memory"].as_array().expect("a list")[..] else { panic!("{process:#}") };
    let number = |name: &str| refused[name].as_u64().unwrap_or_else(|| panic!("{name} of {refused}"));
    assert_eq!((number("size"), number("size_per_bank")), (8 << 20, 128 << 10));
    assert_eq!((number("live_bytes"), number("live_bytes_per_bank")), (32 << 20, 512 << 10));
    assert_eq!((number("free_bytes_per_bank"), number("largest_free_block_per_bank")), (512 << 10, 64 << 10));
    assert_eq!((&refused["is_fragmented"], number("missing_bytes_per_bank")), (&true.into(), 64 << 10));
    let holders = refused["holders"].as_array().expect("a list");
    assert_eq!(holders.len(), 8);
    assert!(holders.iter().all(|region| region["size"] == 4 << 20 && region["device_id"] == 0));
    let exhausted = exact("out-of-memory");
    let first = &exhausted["out_of_memory"][0];
    assert_eq!((&first["is_fragmented"], &first["missing_bytes_per_bank"]), (&false.into(), &(16 << 10).into()));
}

#[test]
fn circular_buffers_without_room_tell_what_is_in_their_way() {
    let process = exact("clash");
    let refused = process["out_of_memory"].as_array().expect("a list");
    let clash = |at: usize| {
        let clash = &refused[at]["clash"];
        let text = |name: &str| clash[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| clash[name].as_u64();
        (
            (text("buffers"), text("cores"), number("region_end")),
            (number("lowest_address"), number("l1_size"), number("shortfall_bytes"), number("in_the_way_regions")),
        )
    };
    let told = |buffers: &str, cores: &str, end: u64| (buffers.to_owned(), cores.to_owned(), Some(end));
    assert_eq!(refused.len(), 4, "{refused:?}");
    let (low, high) = (1024, 1024 + (64 << 10));
    // tt-metal names the first range that meets a buffer: so far the first circular buffer does.
    assert_eq!(clash(0), (told("circular", "[0-0 - 7-7]", 1536), (Some(low), None, Some(512), Some(1))));
    assert_eq!(clash(1), (told("circular", "[0-0 - 7-0]", 101_536), (Some(high), None, Some(101_536 - high), Some(1))));
    assert_eq!(clash(2), (told("dataflow", "[1-2 - 2-2]", 200_000), (Some(high), None, Some(200_000 - high), Some(1))));
    let end = 512 + (2 << 20);
    assert_eq!(clash(3), (told("circular", "[0-0 - 3-0]", end), (None, Some(1 << 20), Some(end - (1 << 20)), Some(0))));
    for one in refused {
        assert_eq!((&one["memory"], &one["devices"]), (&"CB".into(), &serde_json::json!([0, 1])));
        assert_eq!(one["missing_bytes_per_bank"], one["clash"]["shortfall_bytes"]);
        assert!(one["site"][0].as_str().is_some_and(|frame| frame.contains("scenarios")), "{one}");
    }
    let lowest = &refused[0]["clash"]["lowest"];
    assert_eq!(
        (&lowest["address"], &lowest["size"], &lowest["memory"]),
        (&low.into(), &(4 << 20).into(), &"L1".into())
    );
    assert_eq!(refused[0]["holders"].as_array().map(Vec::len), Some(1), "only what is in the way");
    // From where circular buffers begin.
    assert_eq!([0, 1].map(|at| refused[at]["size"].as_u64()), [Some(1024), Some(101_024)]);
    let programs: Vec<_> = refused.iter().map(|one| one["clash"]["program"].as_u64().unwrap()).collect();
    assert!(programs[0] != 0 && programs[0] == programs[1] && programs[1] != programs[2]);
    let finding =
        process["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "out-of-memory").unwrap();
    assert_eq!(finding["text"], "4 programs were refused since the circular buffers did not fit into L1.");
}

#[test]
fn borrowed_buffers_that_cannot_be_remembered_are_counted_as_lost() {
    let (outcome, report) = scenario(Variant::Wheel, Loading::Local, "many-borrowed").traced();
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    let (reported, drained, lost) = Report::events(report.process());
    assert_eq!(reported, drained + lost);
    assert!((20_000 - 16_384..20_000).contains(&lost), "{lost}");
    assert_eq!(report.process()["unmatched_frees"], 0);
    assert_eq!(live_count(report.process()), 0);
}

#[test]
fn an_exception_that_nobody_catches_ends_the_program_as_ever() {
    for loading in [Loading::Linked, Loading::Local] {
        let (outcome, process, _) = compare(Variant::Wheel, loading, "uncaught");
        assert_eq!(outcome.code(), 134);
        assert!(outcome.stderr.contains("Out of Memory"), "{}", outcome.stderr);
        assert_eq!(process["ended"]["signal"], 6);
        assert_eq!(live_count(&process), 2);
        assert_eq!(process["live"][0]["state"], "orphaned");
        let refused = &process["out_of_memory"];
        assert_eq!(refused.as_array().map(Vec::len), Some(1), "{refused}");
        // The allocator's own figures: the exception is seen before it ends the program.
        assert_eq!((&refused[0]["size"], &refused[0]["free_bytes_per_bank"]), (&(1 << 30).into(), &(1 << 20).into()));
        assert_eq!(refused[0]["other_reason"], Value::Null);
    }
}

#[test]
fn out_of_memory_is_what_the_allocator_says_is_even_if_nobody_catches_it() {
    for (name, reason) in [
        ("uncaught-other-reason", "L1_SMALL only supports sharded allocations"),
        ("uncaught-other-type", "an exception of type St9bad_alloc"),
        ("terminated-inside", "the process aborted in the allocator's call"),
    ] {
        let (outcome, process, _) = compare(Variant::Wheel, Loading::Local, name);
        assert_eq!(outcome.code(), 134);
        let refused = &process["out_of_memory"];
        assert_eq!(
            (refused.as_array().map(Vec::len), &refused[0]["other_reason"]),
            (Some(1), &reason.into()),
            "{name}"
        );
        for figure in ["size_per_bank", "free_bytes_per_bank", "missing_bytes_per_bank"] {
            assert_eq!(refused[0][figure], Value::Null, "{name}: {figure}");
        }
    }
}

#[test]
fn pretended_empty_and_borrowed_buffers_are_no_memory() {
    let process = exact("pretended");
    assert_eq!(process["anomalies"]["pretended_allocations"], 2);
    assert_eq!(live_count(&process), 0);
}

#[test]
fn second_holders_hold_no_second_bytes() {
    assert_eq!(live_count(&exact("second-holders")), 0);
}

#[test]
fn circular_buffers_are_a_union_and_a_dead_device_is_not_touched() {
    assert_eq!(live_count(&exact("circular-buffers")), 0);
}

#[test]
fn dataflow_buffers_and_scratchpads_are_unions_of_their_own() {
    let process = exact("dataflow-buffers");
    assert_eq!(live_count(&process), 0);
    assert_eq!(Report::totals(&process, 1, "SCRATCHPAD").released_at_close, 1);
}

#[test]
fn circular_buffers_on_some_chips_are_told_from_those_on_all() {
    let process = exact("circular-buffers-in-parts");
    assert_eq!(live_count(&process), 0);
    // One event for all chips on which a circular buffer lies (two where its cores are two rectangles): 12 on four chips, 3 on
    // two. 20 chip by chip. Three programs are destroyed, chips closed 8 times, and 9 marks passed.
    // Four records name what the simulator lacks of tt-metal.
    assert_eq!(Report::events(&process).0, 12 + 3 + 20 + 3 + 8 + 9 + 4);
}

#[test]
fn circular_buffers_that_outlive_their_devices_at_exit() {
    let process = exact("circular-buffers-at-exit");
    assert_eq!(live_count(&process), 0);
    assert_eq!(Report::totals(&process, 1, "CB").released_at_close, 1);
}

#[test]
fn a_submesh_keeps_books_of_its_own() {
    assert_eq!(live_count(&exact("submeshes")), 0);
}

#[test]
fn two_hundred_meshes_at_once() {
    assert_eq!(live_count(&exact("many-meshes")), 0);
}

#[test]
fn a_mesh_that_is_opened_a_thousand_times() {
    assert_eq!(live_count(&exact("reopened")), 0);
}

#[test]
fn threads_allocate_and_free_each_others() {
    // The peak depends on who came first, for the simulator and for ttmem.
    let process = exact_on(Variant::Wheel, "threads", &[&LIVE, &COUNTS]);
    assert_eq!(live_count(&process), 0);
}

#[test]
fn static_objects_free_after_main() {
    let process = exact("live-at-exit");
    assert_eq!(live_count(&process), 0);
    assert_eq!(Report::totals(&process, 1, "DRAM").frees, 1);
}

#[test]
fn an_immediate_end_loses_nothing() {
    let process = exact("quick-exit");
    assert_eq!(process["ended"]["code"], 7);
    assert_eq!(live_count(&process), 4);
    assert_eq!(process["live"][0]["state"], "live_at_exit");
}

#[test]
fn l1_past_the_allocators_is_live_on_its_cores_until_it_is_given_back() {
    let process = exact("past-allocators");
    assert_eq!(live_count(&process), 0);
    let unseen = process["unseen_parts"].as_array().expect("a list of parts");
    assert!(!unseen.iter().any(|part| part == "persistent L1" || part == "L1 of service cores"), "{unseen:?}");
    let mark =
        |name: &str| process["marks"].as_array().expect("marks").iter().find(|mark| mark["name"] == name).cloned();
    let on_cores = |name: &str| {
        let mark = mark(name).expect("a mark");
        let live = mark["live"].as_array().expect("a list of live allocations").clone();
        let of_first = live.into_iter().filter(|one| one["device_id"] == 0 && one["core"].is_string());
        let mut cores: Vec<_> = of_first.map(|one| one["core"].as_str().unwrap_or_default().to_owned()).collect();
        cores.sort_unstable();
        cores.join(" ")
    };
    assert_eq!(on_cores("arenas"), "0-0 0-1 1-0 1-1 4-0 7-7");
    assert_eq!(on_cores("service cores"), "0-0 0-1 1-0 1-1 14-2 14-2 14-3 14-4 14-4 4-0 7-7");
    assert_eq!(on_cores("some are given back"), "0-0 0-1 1-0 1-1 14-2 4-0 7-7");
    assert_eq!(on_cores("a pipe is gone"), "14-2 7-7");
}

#[test]
fn a_chip_that_fails_to_close_is_not_closed() {
    assert_eq!(live_count(&exact("close-throws")), 0);
}

#[test]
fn what_make_demo_shows_is_so() {
    let process = exact("demo");
    // Three outputs of DRAM and three circular buffers on each of 8 chips.
    assert_eq!(live_count(&process), 6 * 8);
}

#[test]
fn a_build_patched_with_the_first_client_is_counted_once() {
    for name in ["chips-8", "closing", "pretended"] {
        exact_on(Variant::WithClient, name, &[&LIVE, &COUNTS, &PEAKS]);
    }
}

#[test]
fn the_first_client_alone_is_believed() {
    // Nobody tells bytes a bank there, nor that a device closes.
    let fields: &[&str] = &["live_buffers", "live_bytes", "peak_bytes", "allocations", "frees"];
    for name in ["chips-1", "chips-8", "out-of-memory"] {
        exact_on(Variant::ClientOnly, name, &[fields]);
    }
}

#[test]
fn an_unknown_build_runs_unharmed_and_one_line_says_so() {
    for name in ["chips-8", "closing", "circular-buffers", "out-of-memory"] {
        for loading in [Loading::Linked, Loading::Local] {
            let rings = folder();
            let plain = scenario(Variant::NoGetters, loading, name).outcome();
            // Without the marks, which are events of their own.
            let preloaded = scenario(Variant::NoGetters, loading, name).preloaded(rings.path()).outcome();
            assert_eq!(preloaded.without_our_lines(), plain, "{name}");
            let lines = preloaded.our_lines();
            assert_eq!(lines.len(), 1, "{name}: {lines:?}");
            assert!(lines[0].contains("_ZNK2tt8tt_metal6Buffer"), "it says what is missing: {lines:?}");
        }
    }
}
