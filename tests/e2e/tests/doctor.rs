//! `ttmem doctor`: what it says of this machine, and of one where something is wrong.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::Value;
use ttmem_e2e::{Outcome, Run, Variant, command, folder, library, simulation};

fn doctor(arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let rings = folder();
    let mut run = Run::new(command()).arg("doctor").args(arguments).env("TTMEM_DIR", rings.path());
    run = run.env("TTMEM_LIBRARY", library()).env("TT_METAL_SHM_TRACKING_DISABLED", "1");
    variables.iter().fold(run, |run, (name, value)| run.env(name, value)).outcome()
}

fn findings(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {outcome:?}"))
}

fn verdict<'a>(findings: &'a Value, check: &str) -> &'a str {
    let checks = findings["checks"].as_array().expect("checks");
    let found = checks.iter().find(|found| found["check"] == check);
    found.unwrap_or_else(|| panic!("no {check} in {findings}"))["verdict"].as_str().expect("a verdict")
}

#[test]
fn all_is_well_here() {
    // No python: that is no fault of a C++ program's.
    let outcome = doctor(&["--json", "--python", "/no/such/python"], &[]);
    let found = findings(&outcome);
    assert_eq!((outcome.code(), &found["good"]), (0, &Value::Bool(true)), "{found}");
    for check in ["library", "folder", "room", "kernel", "environment"] {
        assert_ne!(verdict(&found, check), "wrong", "{found}");
    }
    assert_eq!(verdict(&found, "library"), "good");
    assert_eq!(verdict(&found, "ttnn"), "note");
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let open = folder();
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).expect("a mode");
    let open = open.path().to_str().expect("a path");
    for (check, name, value) in [
        ("library", "TTMEM_LIBRARY", "/no/such/library"),
        ("library", "TTMEM_LIBRARY", "/proc/self/status"),
        ("folder", "TTMEM_DIR", open),
        ("environment", "TTMEM_DISABLE", "1"),
        ("environment", "TT_ALLOC_TRACKING_ENABLED", "0"),
        ("environment", "TTMEM_RING_BYTES", "64k"),
        ("environment", "TTMEM_STACKS", "lua"),
        ("environment", "TTMEM_SUPPRESSIONS", "/no/such/rules"),
    ] {
        let outcome = doctor(&["--json"], &[(name, value)]);
        let found = findings(&outcome);
        assert_eq!(outcome.code(), 1, "{name}={value}: {found}");
        assert_eq!(verdict(&found, check), "wrong", "{name}={value}");
        let text = doctor(&[], &[(name, value)]).stdout;
        assert!(text.contains("WRONG  ") && text.contains("-> "), "{text}");
    }
}

#[test]
fn a_mistyped_variable_is_named_with_the_one_that_was_meant() {
    let outcome = doctor(&[], &[("TTMEM_ONFULL", "drop")]);
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    assert!(outcome.stdout.contains("TTMEM_ONFULL: no such variable, nobody reads it"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("-> did you mean TTMEM_ON_FULL?"), "{}", outcome.stdout);
}

#[test]
fn the_transport_is_measured() {
    let outcome = doctor(&["--json", "--transport", "--seconds", "1"], &[]);
    let measured = &findings(&outcome)["transport"];
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    let number = |name: &str| measured[name].as_f64().unwrap_or_else(|| panic!("{name} in {measured}"));
    assert!((1.0..10_000.0).contains(&number("ns_an_event")), "{measured}");
    assert!(number("events_a_second") > 10_000.0, "{measured}");
    assert!((1.0..1e6).contains(&number("latency_us")), "{measured}");
    assert!(number("lost") < number("events"), "{measured}");
    let clock = match ttmem_ring::Clock::detect() {
        ttmem_ring::Clock::Counter => "counter",
        ttmem_ring::Clock::Monotonic => "clock_gettime",
    };
    assert_eq!(measured["clock"], clock);
}

/// The exit code of `ttmem doctor LIBRARY`, and what it found.
fn of_library(library: &std::path::Path) -> (i32, Value) {
    let outcome = doctor(&["--json", library.to_str().expect("a path")], &[]);
    (outcome.code(), findings(&outcome))
}

#[test]
fn the_parts_of_a_build_are_in_a_table() {
    let library = simulation(Variant::Wheel).join("libtt_metal.so");
    let (code, found) = of_library(&library);
    assert_eq!((code, verdict(&found, "names")), (0, "note"), "{found}");
    let parts = found["parts"].as_array().expect("parts");
    let seen = |name: &str| {
        let part = parts.iter().find(|part| part["part"] == name).unwrap_or_else(|| panic!("no {name} in {found}"));
        (part["seen"].as_str().expect("a word"), part["why"].as_str().unwrap_or_default())
    };
    assert_eq!(seen("buffers"), ("yes", ""));
    assert_eq!(seen("cached tables of programs"), ("no", "no trace_allocation_tracking_enabled"));
    assert_eq!(seen("addresses on each core"), ("absent", ""));
    let text = doctor(&[library.to_str().expect("a path")], &[]).stdout;
    let row = "\n  cached tables of programs            no     no trace_allocation_tracking_enabled\n";
    assert!(text.contains("\nWhat ttmem sees of this tt-metal\n") && text.contains(row), "{text}");
}

#[test]
fn of_tt_metal_that_is_linked_statically_nothing_can_be_seen() {
    let files = folder();
    let build = |name: &str, source: &str, flags: &[&str]| {
        let (code, library) = (files.path().join(format!("{name}.c")), files.path().join(format!("{name}.so")));
        fs::write(&code, source).expect("a source file");
        let mut compiler = std::process::Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O0"]).args(flags).arg("-o").args([&library, &code]);
        assert!(compiler.status().expect("cc").success());
        library
    };
    let hidden = "__attribute__((visibility(\"hidden\"))) void
        _ZN2tt8tt_metal13AllocatorImpl15allocate_bufferEPNS0_6BufferE(void) {}
        const char *message(void) { return \"tt_metal/impl/allocator/allocator.cpp\"; }";
    for (name, source, flags, said) in [
        ("local", hidden, &[][..], "its names are local: nothing can be seen"),
        ("stripped", hidden, &["-s"][..], "linked statically and stripped: nothing can be seen"),
        ("other", "int other;", &[][..], "tt-metal is not in it"),
    ] {
        let (code, found) = of_library(&build(name, source, flags));
        assert_eq!((code, verdict(&found, "names"), found.get("parts")), (1, "wrong", None), "{found}");
        assert!(found["checks"][0]["found"].as_str().expect("text").ends_with(said), "{name}: {found}");
    }
    let (code, found) = of_library(&files.path().join("local.c"));
    assert_eq!((code, verdict(&found, "names")), (1, "wrong"), "{found}");
}
