//! The snapshot as a file: cleaned, damaged, foreign, or without a place.

use std::{fs, thread};

use serde_json::Value;
use ttmem_e2e::{Run, Steady, command, folder, ring_files, wait_for};

use crate::scene::{SMALL, Scene};

#[test]
fn what_lies_beside_a_ring_goes_with_it() {
    let mut scene = Scene::start(SMALL);
    scene.wait_until_folded();
    let ttmem = || Run::new(command()).env("TTMEM_DIR", scene.rings.path());
    let listed = ttmem().args(["ls", "--json"]).outcome();
    let rows: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!((&rows[0]["alive"], &rows[0]["complete"]), (&Value::Bool(true), &Value::Bool(true)), "{rows}");
    assert!(rows[0]["live_bytes"].as_u64().expect("bytes") > 0);
    let orphans = ["1-0.snapshot", "1-0.snapshot-new"].map(|name| scene.rings.path().join(name));
    orphans.iter().for_each(|path| fs::write(path, "its ring is gone").expect("a file"));
    ttmem().arg("clean").outcome();
    assert!(scene.snapshot().exists(), "the living keep theirs");
    assert!(orphans.iter().all(|path| !path.exists()));
    scene.child.kill().expect("SIGKILL");
    scene.child.wait().expect("waiting for the killed");
    let left = scene.snapshot();
    let cleaned = Run::new(command()).env("TTMEM_DIR", scene.rings.path()).arg("clean").outcome();
    assert_eq!(cleaned.code(), 0, "{cleaned:?}");
    assert!(!left.exists());
    assert_eq!(fs::read_dir(scene.rings.path()).expect("the folder").count(), 0);
}

#[test]
fn a_snapshot_that_cant_be_used_is_left_out_and_said() {
    let mut scene = Scene::start(SMALL);
    scene.wait_until_folded();
    scene.kill();
    let sound = fs::read(scene.snapshot()).expect("the snapshot");
    let mut foreign = Scene::start(SMALL);
    foreign.wait_until_folded();
    foreign.kill();
    let damaged: Vec<u8> = sound.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at == 200)).collect();
    for (bytes, why) in [
        (damaged, "a damaged snapshot"),
        (fs::read(foreign.snapshot()).expect("the snapshot"), "a snapshot of another ring"),
        (b"anything".to_vec(), "not a ttmem snapshot"),
    ] {
        fs::write(scene.snapshot(), bytes).expect("the snapshot");
        let outcome = Run::new(command()).arg("report").arg(scene.ring()).outcome();
        assert_eq!(outcome.code(), 0);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(why), "{}", outcome.stderr);
        assert!(outcome.stdout.contains("Inconclusive"), "{}", outcome.stdout);
    }
    fs::write(scene.snapshot(), sound).expect("the snapshot");
    scene.check_dead();
}

#[test]
fn where_no_snapshot_can_be_written_events_are_dropped_and_it_is_said_once() {
    let (rings, files) = (folder(), folder());
    let steady = Steady { threads: 1, events: 100_000, live: 10, spin: 0, pause: 1000, waits: false, ..SMALL };
    let steady = Steady { on_full: "drop", ..steady };
    // A folder is in the place of the snapshot: no file can get its name.
    let block = thread::spawn({
        let rings = rings.path().to_path_buf();
        move || {
            let ring = wait_for("a ring", || ring_files(&rings).pop());
            let place = ring.with_extension("snapshot");
            wait_for("a folder in its place", || {
                let _ = fs::remove_file(&place);
                fs::create_dir(&place).is_ok().then_some(())
            });
        }
    });
    let outcome = steady.run(&files.path().join("words")).preloaded(rings.path()).outcome();
    block.join().expect("the thread");
    assert_eq!(outcome.code(), 0);
    assert_eq!(outcome.our_lines().len(), 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("its checkpoint can't be written"), "{}", outcome.stderr);
    let left = fs::read_dir(rings.path()).expect("the folder").map(|entry| entry.expect("an entry").path());
    assert!(left.into_iter().all(|path| !path.ends_with("snapshot-new")), "nothing half-written is left");
}
