//! Times in reports, beside those that the program took itself.
//!
//! For as long as `TTMEM_CLOCK_SECONDS` says, else 3 s: of 600 s, 1 us is asked for too.

use std::env;

use ttmem_e2e::{Report, Run, c_program, folder};

/// What may lie between a time in a report and the program's own, ns.
const MAX_APART: u64 = 1_000;

const MS_BETWEEN: u64 = 50;

/// CLOCK_MONOTONIC before and after a mark, and the report's CLOCK_REALTIME of it.
struct Moment {
    before: i128,
    after: i128,
    at: i128,
}

fn moments(report: &Report) -> Vec<Moment> {
    let mut last = 0;
    let mut found = Vec::new();
    for mark in report.process()["marks"].as_array().expect("marks") {
        let at = i128::from(mark["at_ns"].as_u64().expect("a time"));
        let name = mark["name"].as_str().expect("a name");
        if let Some(times) = name.strip_prefix("was ") {
            let (before, after) = times.split_once(' ').expect("two times");
            found.push(Moment { before: before.parse().unwrap(), after: after.parse().unwrap(), at: last });
        }
        last = at;
    }
    // The first made the ring, which takes a while.
    found.remove(0);
    found
}

/// How far the report's times are from the program's: the least `apart` for which one difference between the two clocks puts
/// each time between those before and after the mark, or `apart` beside them.
fn apart(moments: &[Moment]) -> u64 {
    let least = moments.iter().map(|moment| moment.at - moment.before).min().expect("moments");
    let most = moments.iter().map(|moment| moment.at - moment.after).max().expect("moments");
    u64::try_from((most - least).max(0) / 2).unwrap()
}

fn seconds() -> u64 {
    env::var("TTMEM_CLOCK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

fn marks(variables: &[(&str, &str)]) -> Vec<Moment> {
    let count = seconds() * 1_000 / MS_BETWEEN;
    let program = Run::new(c_program("marks_at.c")).args([count.to_string(), MS_BETWEEN.to_string()]);
    let (outcome, report) = program.traced_with(variables);
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    let moments = moments(&report);
    assert_eq!(moments.len() as u64, count);
    moments
}

#[test]
fn times_by_the_counter_are_the_programs_own() {
    let apart = apart(&marks(&[]));
    println!("{apart} ns apart in {} s", seconds());
    assert!(apart <= MAX_APART, "{apart} ns");
}

#[test]
fn times_by_the_kernels_clock_are_the_programs_own() {
    let apart = apart(&marks(&[("TTMEM_CLOCK", "monotonic")]));
    assert!(apart <= MAX_APART, "{apart} ns");
}

#[test]
fn the_kernels_clock_is_taken_where_the_counter_may_not_be() {
    let code = |value: &str| {
        let rings = folder();
        let run = Run::new(c_program("marks_at.c")).args(["1", "1"]).preloaded(rings.path());
        assert_eq!(run.env("TTMEM_CLOCK", value).outcome().code(), 0);
        let [dead] = ttmem_e2e::dead_rings(rings.path()).try_into().unwrap_or_else(|_| panic!("one ring"));
        dead.header.clock
    };
    assert_eq!(code("monotonic"), ttmem_wire::CLOCK_MONOTONIC);
    assert_eq!(code("auto"), ttmem_ring::Clock::detect().code());
}
