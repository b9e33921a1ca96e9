//! A ring that nobody drains: older events are folded into a snapshot, and whoever comes, whenever, learns all.

mod files;
mod readers;
mod scene;
mod steps;

use std::{fs, thread, time::Duration};

use scene::{SMALL, Scene, report};
use serde_json::Value;
use ttmem_e2e::{Random, Run, Steady, c_program_with, folder, number, ring_files};

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim_end_matches("kB").trim().parse().unwrap_or(0)
}

/// `TTMEM_TEST_EVENTS=50000000` for the long one.
#[test]
fn a_long_run_without_a_reader_is_known_to_the_last_buffer() {
    let events = number("TTMEM_TEST_EVENTS", 2_000_000);
    let steady =
        Steady { threads: 1, events, live: 100_000, spin: 0, pause: 0, waits: true, ring_bytes: 1 << 20, on_full: "" };
    let mut scene = Scene::start(steady);
    let (mut resident, mut snapshot, mut looks) = (0, 0, 0);
    while scene.returned()[0] < events {
        let from = scene.returned()[0];
        let seen = scene.report();
        // What had returned before the report began may lie in the queue still.
        steady.check(seen.process(), &[from.saturating_sub(33_000)], &[scene.returned()[0] + 1]);
        resident = resident.max(resident_kib(scene.child.id()));
        snapshot = snapshot.max(fs::metadata(scene.snapshot()).map_or(0, |file| file.len()));
        looks += 1;
    }
    scene.kill();
    steady.check(scene.report().process(), &[events], &[events]);
    println!("{looks} reports while it ran; at most {resident} KiB resident, {snapshot} bytes of snapshot");
    assert!(snapshot < 100_000 * 40, "{snapshot}");
    // The mapped ring and queue, the tables (two while one grows), and the bytes of a snapshot.
    assert!(resident < 40_000, "{resident} KiB");
}

#[test]
fn at_a_moderate_rate_nothing_is_lost_by_default() {
    let steady = Steady {
        threads: 1,
        events: 600_000,
        live: 1000,
        spin: 0,
        pause: 2000,
        ring_bytes: 1 << 20,
        on_full: "",
        waits: false,
    };
    let mut scene = Scene::start(steady);
    scene.child.wait().expect("waiting for the program");
    steady.check(scene.report().process(), &[600_000], &[600_000]);
}

/// `TTMEM_TEST_ROUNDS=300` for more; as for the others below.
#[test]
fn whoever_looks_while_it_folds_sees_one_moment_and_a_kill_loses_nothing() {
    let mut random = Random::new();
    println!("TTMEM_TEST_SEED={}", random.seed);
    for round in 0..number("TTMEM_TEST_ROUNDS", 40) {
        let steady = Steady {
            threads: 1 + round % 2,
            spin: [0, 300, 2000][round as usize % 3],
            ring_bytes: [4096, 65_536, 1 << 20][round as usize / 3 % 3],
            ..SMALL
        };
        let mut scene = Scene::start(steady);
        scene.ring();
        thread::sleep(Duration::from_micros(random.below(30_000)));
        for _ in 0..random.below(4) {
            let seen = scene.report();
            let after: Vec<u64> = scene.returned().iter().map(|events| events + 1).collect();
            steady.check(seen.process(), &[0; 2], &after);
            thread::sleep(Duration::from_micros(random.below(3000)));
        }
        scene.kill();
        scene.check_dead();
        // A second time tells the same.
        scene.check_dead();
    }
}

/// What a report says of a process, without what differs between two runs of it.
fn lasting(process: &Value) -> Value {
    const OF_ONE_RUN: [&str; 4] = ["pid", "ring_id", "started_at", "thread"];
    match process {
        Value::Object(map) => map
            .iter()
            .filter(|(name, _)| !OF_ONE_RUN.contains(&name.as_str()) && !name.ends_with("_ns") && !name.ends_with("_s"))
            .map(|(name, value)| (name.clone(), lasting(value)))
            .collect(),
        Value::Array(items) => items.iter().map(lasting).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_folded_run_is_told_as_one_that_was_drained() {
    let program = c_program_with("folded.c", &["-rdynamic"]);
    let (_, drained) = Run::new(&program).traced();
    let (rings, files) = (folder(), folder());
    let outcome = Run::new(program).preloaded(rings.path()).env("TTMEM_RING_BYTES", "65536").outcome();
    assert_eq!((outcome.code(), &*outcome.stderr), (0, ""));
    let ring = ring_files(rings.path()).remove(0);
    assert!(ring.with_extension("snapshot").exists());
    let folded = report(&ring, files.path());
    let process = folded.process();
    let restored = process["events"]["restored"].as_u64().expect("events that were folded");
    assert!(restored > 20_000, "{restored}");
    let (mut expected, mut found) = (lasting(drained.process()), lasting(process));
    // How this one ended nobody watched.
    for told in [&mut expected, &mut found] {
        told.as_object_mut().expect("a process").remove("ended");
        told["events"].as_object_mut().expect("events").remove("restored");
        // What was live at each mark is too much for a snapshot.
        for mark in told["marks"].as_array_mut().expect("marks") {
            mark.as_object_mut().expect("a mark").remove("live");
        }
    }
    assert!(found == expected, "folded:\n{found:#}\ndrained:\n{expected:#}");
    let leak = &process["live"][0];
    assert!(leak["site"].to_string().contains("leaky_step"), "{leak}");
    assert_eq!(process["marks"].as_array().map(Vec::len), Some(5));
}
