//! The C ABI, from C and C++: what a program says is what the report tells.

use serde_json::Value;
use ttmem_e2e::{Report, Run, Totals, c_program, c_program_linked, dead_rings, folder, library, ring_files};

fn case(name: &str) -> Run {
    Run::new(c_program_linked("abi.c")).arg(name)
}

/// Runs a case under `ttmem run`: it is content, and so is the accounting.
fn told(name: &str) -> Value {
    let (outcome, report) = case(name).traced();
    assert_eq!((outcome.stdout.clone(), outcome.code()), (format!("{name}: so\n"), 0), "{}", outcome.stderr);
    let process = report.process().clone();
    let (reported, drained, lost) = Report::events(&process);
    assert_eq!((drained, lost), (reported, 0));
    process
}

fn live(of: &Value, device: i64, memory: &str) -> (u64, u64) {
    let totals = Report::totals(of, device, memory);
    (totals.live_buffers, totals.live_bytes)
}

#[test]
fn every_buffer_type_has_its_own_books() {
    let process = told("totals");
    let all = Report::mark(&process, "all");
    let names = ["DRAM", "L1", "SYSTEM_MEMORY", "L1_SMALL", "TRACE"];
    for (memory, bytes) in names.into_iter().zip(1000..) {
        assert_eq!(live(all, 0, memory), (1, bytes), "{memory}");
    }
    assert_eq!(live(all, 0, "unknown(200)"), (1, 77));
    assert_eq!((live(all, 1, "DRAM"), live(all, 1, "L1")), ((1, 500), (1, 600)));
    let freed = Report::mark(&process, "device 1 freed");
    assert_eq!((live(freed, 1, "DRAM"), live(freed, 1, "L1")), ((0, 0), (0, 0)));
    assert_eq!(live(freed, 0, "L1"), (1, 1001));
    let last = Report::mark(&process, "all freed");
    for memory in names {
        assert_eq!(live(last, 0, memory), (0, 0), "{memory}");
    }
    assert_eq!(process["unmatched_frees"], 0);
    assert_eq!(process["live"], Value::Array(Vec::new()));
}

#[test]
fn bytes_reported_twice_count_once_until_the_last_holder_lets_go() {
    let process = told("duplicate");
    assert_eq!(live(Report::mark(&process, "two hold it"), 3, "DRAM"), (1, 4096));
    assert_eq!(live(Report::mark(&process, "one holds it"), 3, "DRAM"), (1, 4096));
    assert_eq!(live(Report::mark(&process, "nobody holds it"), 3, "DRAM"), (0, 0));
    assert_eq!(process["unmatched_frees"], 1);
    let left = &process["live"].as_array().expect("a list")[..];
    assert_eq!(left.len(), 1);
    assert_eq!((&left[0]["holders"], &left[0]["reports"], &left[0]["address"]), (&1.into(), &2.into(), &0x200.into()));
    assert_eq!(
        Report::totals(&process, 3, "DRAM"),
        Totals { live_buffers: 1, live_bytes: 4096, peak_bytes: 4096, allocations: 4, frees: 3, released_at_close: 0 }
    );
}

#[test]
fn circular_buffers_take_the_union_of_their_ranges() {
    let process = told("circular");
    let placed = Report::mark(&process, "placed");
    // 0x10000..0x11800 and 0x40000..0x40400; what is globally allocated lies in a buffer.
    assert_eq!(live(placed, 0, "CB"), (5, 0x1800 + 0x400));
    assert_eq!(live(placed, 1, "CB"), (1, 512));
    let freed = Report::mark(&process, "device 0 freed");
    assert_eq!((live(freed, 0, "CB"), live(freed, 1, "CB")), ((0, 0), (1, 512)));
    let last = Report::mark(&process, "all freed");
    assert_eq!((live(last, 0, "CB"), live(last, 1, "CB")), ((0, 0), (0, 0)));
    let totals = Report::totals(&process, 0, "CB");
    assert_eq!((totals.allocations, totals.frees, totals.peak_bytes), (6, 6, 0x1C00));
}

#[test]
fn frees_that_match_nothing_are_counted_and_change_nothing() {
    let process = told("unmatched");
    assert_eq!(live(Report::mark(&process, "100 are live"), 0, "DRAM"), (1, 100));
    assert_eq!(process["unmatched_frees"], 5);
    assert_eq!(live(&process, 0, "DRAM"), (0, 0));
    assert_eq!(Report::totals(&process, 0, "DRAM").frees, 1);
}

#[test]
fn odd_values_are_taken_as_they_are() {
    let process = told("odd");
    let all = Report::mark(&process, "all live");
    assert_eq!(live(all, -7, "DRAM"), (1, 10));
    assert_eq!(live(all, 0, "L1"), (1, 0));
    assert_eq!(live(all, 1, "DRAM"), (1, u64::MAX));
    assert_eq!(live(all, 2, "DRAM"), (1, 5));
    assert_eq!(live(all, i64::from(i32::MIN), "L1"), (1, 6));
    assert_eq!(live(all, i64::from(i32::MAX), "unknown(255)"), (1, 7));
    assert_eq!(live(all, 3, "CB").0, 1);
    // More than a u64 holds is shown as its largest, and is exact again when one is freed.
    assert_eq!(live(Report::mark(&process, "too much"), 1, "DRAM"), (2, u64::MAX));
    for (device, memory) in [(-7, "DRAM"), (0, "L1"), (1, "DRAM"), (2, "DRAM"), (i64::from(i32::MIN), "L1")] {
        assert_eq!(live(&process, device, memory), (0, 0), "{device} {memory}");
    }
    assert_eq!(process["unmatched_frees"], 0);
}

#[test]
fn a_closed_device_lets_go_of_its_own() {
    let process = told("closed");
    let closed = Report::mark(&process, "closed");
    assert_eq!((live(closed, 0, "DRAM"), live(closed, 0, "CB"), live(closed, 1, "DRAM")), ((0, 0), (0, 0), (1, 400)));
    assert_eq!(live(Report::mark(&process, "open again"), 0, "DRAM"), (1, 300));
    // The free names an address that both memories had; what was released is not freed once more.
    let released: u64 =
        ["DRAM", "L1", "CB"].map(|memory| Report::totals(&process, 0, memory).released_at_close).iter().sum();
    assert_eq!(released, 2);
    assert_eq!(process["unmatched_frees"], 0);
    assert_eq!(process["live"], Value::Array(Vec::new()));
}

#[test]
fn marks_have_names_of_every_kind() {
    let process = told("marks");
    let names: Vec<&str> =
        process["marks"].as_array().expect("marks").iter().map(|mark| mark["name"].as_str().expect("a name")).collect();
    let letters: String = ('a'..='z').cycle().take(255).collect();
    let expected = [
        "",
        "a",
        &letters[..31],
        &letters[..32],
        &letters[..33],
        &letters[..64],
        &letters[..],
        &letters[..],
        "\"Speicher\" \u{2713} \\ \u{1}",
        "not UTF-8: \u{FFFD}\u{FFFD}",
    ];
    assert_eq!(names, expected);
}

/// A case without a reader: the library's own word, and what the ring says.
fn alone(name: &str, variable: Option<(&str, &str)>) -> Vec<ttmem_e2e::Dead> {
    let rings = folder();
    let mut run = case(name).env("TTMEM_DIR", rings.path()).env("TTMEM_FOLD", "0");
    if let Some((name, value)) = variable {
        run = run.env(name, value);
    }
    let outcome = run.outcome();
    assert_eq!(outcome.stdout, format!("{name}: so\n"), "{}", outcome.stderr);
    assert_eq!(outcome.stderr, "");
    let dead = dead_rings(rings.path());
    dead.iter().for_each(ttmem_e2e::Dead::check_counts);
    dead
}

#[test]
fn the_library_counts_itself_and_serves_older_and_newer_structs() {
    let dead = alone("stats", None);
    assert_eq!(dead[0].counters.reported(), 1000);
}

#[test]
fn the_process_itself_learns_what_its_memory_holds() {
    // Beside a reader that drains; alone; and where checkpoints take what the ring has no space for.
    assert_eq!(told("memory")["unmatched_frees"], 0);
    assert_eq!(alone("memory", None).len(), 1);
    let rings = folder();
    let small = case("memory").env("TTMEM_DIR", rings.path()).env("TTMEM_RING_BYTES", "65536").outcome();
    assert_eq!((small.stdout.as_str(), small.stderr.as_str()), ("memory: so\n", ""));
}

#[test]
fn a_full_ring_without_a_reader_counts_what_it_drops() {
    let dead = alone("full", Some(("TTMEM_RING_BYTES", "4096")));
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].from_ring, 64);
    assert_eq!(dead[0].counters.reported(), 100_000);
    assert_eq!(dead[0].events.len() as u64 + dead[0].counters.dropped(), 100_000);
    // What was kept is the beginning, without a gap.
    assert_eq!(dead[0].ids(0), (0..dead[0].events.len() as u64).collect::<Vec<_>>());
}

#[test]
fn disabled_it_does_nothing() {
    assert_eq!(alone("disabled", Some(("TTMEM_DISABLE", "1"))).len(), 0);
}

#[test]
fn a_cpp_program_with_threads() {
    let (outcome, report) = Run::new(c_program_linked("abi_cpp.cpp")).traced();
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    for device in 0..4 {
        let totals = Report::totals(report.process(), device, "L1");
        assert_eq!((totals.live_buffers, totals.live_bytes, totals.frees), (500, 500 * 64, 500));
    }
}

#[test]
fn a_library_that_was_loaded_by_hand_stays() {
    let rings = folder();
    let run = Run::new(c_program("dlopened.c")).arg(library()).env("TTMEM_DIR", rings.path());
    let outcome = run.outcome();
    assert_eq!((outcome.stdout.as_str(), outcome.code()), ("still here\n", 0), "{}", outcome.stderr);
    assert_eq!(ring_files(rings.path()).len(), 1);
    let dead = dead_rings(rings.path());
    dead[0].check_counts();
    assert_eq!(dead[0].ids(0), (0..400).collect::<Vec<_>>());
}
