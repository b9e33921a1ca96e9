//! Scenarios against the simulated tt-metal: at every step, what ttmem says equals the simulator's own books.

mod compare;
mod refusals;

use std::{collections::HashMap, fs};

use compare::{COUNTS, LIVE, Loading, PEAKS, assert_live, assert_rows, exact, exact_on, live_count, scenario};
use serde_json::{Value, json};
use ttmem_e2e::{Report, Variant, folder};

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
    // Of two chips: six tensors, of which two were being allocated when tracking began; then four of them.
    assert_eq!((sites("first events"), sites("stop")), (12, 8));
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
    assert_eq!(on_cores("service cores"), "0-0 0-1 1-0 1-1 14-2 14-2 14-3 14-4 4-0 7-7");
    assert_eq!(on_cores("some are given back"), "0-0 0-1 1-0 1-1 14-2 4-0 7-7");
    assert_eq!(on_cores("a pipe is gone"), "14-2 7-7");
}

/// An arena of an allocator that was not seen yet has no device: what it hands out is lost, and the report says of which part it is.
#[test]
fn an_arena_that_nobody_is_known_to_have_is_lost_and_counted() {
    for loading in [Loading::Linked, Loading::Local] {
        let files = folder();
        let truth_file = files.path().join("truth");
        let (outcome, report) = scenario(Variant::Wheel, loading, "early-arena").arg(&truth_file).traced();
        assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
        let lines = outcome.our_lines();
        assert!(lines.len() == 1 && lines[0].contains("L1 of a persistent arena is lost"), "{lines:?}");
        let process = report.process();
        // An allocation and a refusal; that it is given back is no event.
        assert_eq!((Report::events(process).2, &process["unmatched_frees"]), (2, &0.into()));
        assert_eq!(process["verdict"]["answer"], "inconclusive");
        let unseen = process["unseen_parts"].as_array().expect("a list of parts");
        assert!(unseen.iter().any(|part| part == "persistent L1"), "{unseen:?}");
        let truth = fs::read_to_string(&truth_file).expect("the truth file");
        assert_eq!(truth.lines().count(), 3);
        for line in truth.lines() {
            let line: Value = serde_json::from_str(line).expect("a line of truth");
            let step = line["step"].as_str().expect("a step");
            let mark = Report::mark(process, step);
            assert_rows(&line["truth"], mark, &LIVE, step);
            assert_live(&line["truth"], mark, step);
        }
    }
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
