//! A kill at each step, which a failpoint holds.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;
use ttmem_e2e::{Report, Run, Steady, wait_for};

use crate::scene::{SMALL, Scene, keeping_drainer};

/// A build of the library in which a thread stops at a step of the way; in a target folder of its own.
fn library_with_failpoints() -> PathBuf {
    let target = ttmem_e2e::target().join("failpoints");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(ttmem_e2e::root()).args(["build", "--quiet", "-p", "ttmem-shim", "--features", "failpoints"]);
    assert!(build.arg("--target-dir").arg(&target).status().expect("cargo").success());
    target.join("debug/libttmem.so")
}

/// A run of which a thread has come to this step for the nth time, and stays there.
fn stopped(library: &Path, step: &str, times: u64) -> Scene {
    held(library, &format!("{step}:{times}"))
}

/// The same, with the failpoint as the library reads it.
fn held(library: &Path, failpoint: &str) -> Scene {
    let reached = tempfile::NamedTempFile::new().expect("a file");
    let scene = Scene::start_with(SMALL, |run| {
        let run = run.env("LD_PRELOAD", library).env("TTMEM_FAILPOINT", failpoint);
        run.env("TTMEM_FAILPOINT_FILE", reached.path())
    });
    wait_for(failpoint, || fs::read(reached.path()).is_ok_and(|text| !text.is_empty()).then_some(()));
    scene
}

#[test]
fn a_kill_at_each_step_of_a_fold_loses_nothing() {
    let library = library_with_failpoints();
    for step in ["tail-locked", "snapshot-saved", "snapshot-written", "snapshot-named", "released"] {
        for times in [1, 2, 5] {
            // While the flusher stands still the threads wait in their calls, so these are killed in them.
            let mut scene = stopped(&library, step, times);
            // Who looks meanwhile sees one moment.
            let seen = scene.report();
            let after: Vec<u64> = scene.returned().iter().map(|events| events + 1).collect();
            scene.steady.check(seen.process(), &[0; 2], &after);
            scene.kill();
            scene.check_dead();
            // And a reader that drains and keeps the ring, killed or not, tells the same.
            keeping_drainer(scene.rings.path()).finish(0, ttmem_reader::Ended::Unknown);
            scene.check_dead();
        }
    }
}

#[test]
fn a_stop_waits_for_threads_that_are_on_their_way() {
    let library = library_with_failpoints();
    for step in ["claimed", "filled"] {
        // Not waited for, it would count as lost in a process that lives on.
        let scene = held(&library, &format!("{step}:5000:300"));
        let returned = scene.returned();
        let ring = ttmem_ring::RingReader::open(&scene.ring()).expect("the ring");
        ring.ask_to_stop();
        wait_for("its last event", || ring.has_stopped().then_some(()));
        // Events of the other thread went on until then.
        let most: Vec<u64> = scene.returned().iter().map(|events| events + 1).collect();
        let report = scene.report();
        scene.steady.check(report.process(), &returned, &most);
        assert_eq!((Report::events(report.process()).2, &report.process()["ended"]), (0, &json!({"stopped": true})));
    }
}

#[test]
fn a_kill_at_each_step_of_the_way_loses_nothing_that_returned() {
    let library = library_with_failpoints();
    // The first three stop a thread of the program in its call, the others the flusher.
    for step in ["claimed", "filled", "published", "put", "shown", "freed"] {
        for times in [1, 5000] {
            let mut scene = stopped(&library, step, times);
            scene.kill();
            scene.check_dead();
            // A second time tells the same.
            scene.check_dead();
        }
    }
}

#[test]
fn a_reader_killed_at_each_step_of_letting_go_takes_nothing_with_it() {
    let program = env!("CARGO_BIN_EXE_drainer-with-failpoints");
    let steady = Steady { live: 1000, spin: 100, ..SMALL };
    for step in ["released", "snapshot-saved", "snapshot-written", "snapshot-named"] {
        for times in [1, 2, 3, 7] {
            let mut scene = Scene::start(steady);
            let reached = tempfile::NamedTempFile::new().expect("a file");
            let mut reader = Run::new(program)
                .arg(scene.rings.path())
                .env("TTMEM_FAILPOINT", format!("{step}:{times}"))
                .env("TTMEM_FAILPOINT_FILE", reached.path())
                .start();
            wait_for(step, || fs::read(reached.path()).is_ok_and(|text| !text.is_empty()).then_some(()));
            let check = |scene: &Scene| {
                let seen = scene.report();
                let after: Vec<u64> = scene.returned().iter().map(|events| events + 1).collect();
                steady.check(seen.process(), &[0; 2], &after);
            };
            // Who looks while it stands there sees one moment, and so does who looks when it is dead.
            check(&scene);
            reader.kill().expect("SIGKILL");
            reader.wait().expect("waiting for the killed");
            check(&scene);
            if times % 2 == 0 {
                // The process goes on by itself: what the reader released is in the checkpoints that it writes.
                let before = scene.returned();
                wait_for("the process to go on", || (scene.returned()[0] > before[0] + 20_000).then_some(()));
                check(&scene);
            }
            scene.kill();
            scene.check_dead();
            keeping_drainer(scene.rings.path()).finish(0, ttmem_reader::Ended::Unknown);
            scene.check_dead();
        }
    }
}
