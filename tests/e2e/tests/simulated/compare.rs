//! Runs a scenario, and compares what ttmem says with the simulator's own books.

use std::fs;

use serde_json::Value;
use ttmem_e2e::{Outcome, Report, Run, Variant, folder, library, simulation};

/// How a scenario gets tt-metal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loading {
    /// As Python does it: `RTLD_LOCAL`.
    Local,
    /// The program links it.
    Linked,
    /// The same as `Local`, and the library is not preloaded but started by hand.
    Started,
    /// The same, and the program links tt-metal.
    StartedLinked,
}

pub(crate) fn scenario(variant: Variant, loading: Loading, name: &str) -> Run {
    let simulation = simulation(variant);
    match loading {
        Loading::Local => Run::new(simulation.join("local")).arg(simulation.join("libscenarios.so")).arg(name),
        Loading::Linked => Run::new(simulation.join("linked")).arg(name),
        Loading::Started | Loading::StartedLinked => {
            let program = if loading == Loading::Started { "started" } else { "started-linked" };
            Run::new(simulation.join(program)).arg(library()).arg(simulation.join("libscenarios.so")).arg(name)
        }
    }
}

/// Runs a scenario plain and traced: it must not notice. Returns the outcome, the report's one process, and the steps with
/// the simulator's truth.
pub(crate) fn compare(variant: Variant, loading: Loading, name: &str) -> (Outcome, Value, Vec<(String, Value)>) {
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
pub(crate) fn assert_rows(truth: &Value, told: &Value, fields: &[&str], at: &str) {
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
pub(crate) fn assert_live(truth: &Value, told: &Value, at: &str) {
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

pub(crate) const LIVE: [&str; 3] = ["live_buffers", "live_bytes", "live_bytes_per_bank"];
pub(crate) const COUNTS: [&str; 3] = ["allocations", "frees", "released_at_close"];
pub(crate) const PEAKS: [&str; 2] = ["peak_bytes", "peak_bytes_per_bank"];

/// Runs the scenario both ways; every step is equal in every figure, no event is lost or odd.
pub(crate) fn exact(name: &str) -> Value {
    exact_on(Variant::Wheel, name, &[&LIVE, &COUNTS, &PEAKS])
}

pub(crate) fn exact_on(variant: Variant, name: &str, fields: &[&[&str]]) -> Value {
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

pub(crate) fn live_count(process: &Value) -> usize {
    process["live"].as_array().expect("a list of live regions").len()
}
