//! A ring that nobody drains: older events are folded into a snapshot, and whoever comes, whenever, learns all.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;
use ttmem_e2e::{Random, Report, Run, Steady, c_program_with, command, folder, number, ring_files, signal, wait_for};

const SMALL: Steady = Steady::SMALL;

/// One run: the rings, and the words that the program writes.
struct Scene {
    steady: Steady,
    rings: TempDir,
    files: TempDir,
    child: Child,
}

impl Scene {
    fn start(steady: Steady) -> Self {
        Self::start_with(steady, |run| run)
    }

    fn start_with(steady: Steady, change: impl FnOnce(Run) -> Run) -> Self {
        let (rings, files) = (folder(), folder());
        let child = change(steady.run(&files.path().join("words")).preloaded(rings.path())).start();
        Self { steady, rings, files, child }
    }

    /// How many calls of each thread have returned.
    fn returned(&self) -> Vec<u64> {
        self.steady.returned(&self.files.path().join("words"))
    }

    fn ring(&self) -> PathBuf {
        wait_for("a ring", || ring_files(self.rings.path()).pop())
    }

    fn snapshot(&self) -> PathBuf {
        self.ring().with_extension("snapshot")
    }

    fn wait_until_folded(&self) {
        wait_for("a snapshot", || self.snapshot().exists().then_some(()));
    }

    fn report(&self) -> Report {
        report(&self.ring(), self.files.path())
    }

    fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("waiting for the killed");
        // The kernel may take a moment to drop the locks.
        let ring =
            ring_files(self.rings.path()).pop().map(|ring| ttmem_ring::RingReader::open(&ring).expect("the ring"));
        wait_for("end of its lock", || ring.as_ref().is_none_or(|ring| !ring.is_alive()).then_some(()));
    }

    /// The report of a program that is killed: at least what had returned, and at most one event more of each thread.
    fn check_dead(&self) {
        let returned = self.returned();
        let most: Vec<u64> = returned.iter().map(|events| events + 1).collect();
        self.steady.check(self.report().process(), &returned, &most);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn report(ring: &Path, files: &Path) -> Report {
    let json = files.join("report.json");
    let outcome = Run::new(command()).args(["report", "--quiet", "--json"]).arg(&json).arg(ring).outcome();
    assert_eq!((outcome.code(), &*outcome.stderr), (0, ""));
    Report::parse(&fs::read_to_string(&json).expect("the report"))
}

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

/// One that leaves the rings where they are.
fn keeping_drainer(rings: &Path) -> ttmem_reader::Drainer {
    ttmem_reader::Drainer::new(rings, ttmem_reader::Keep { live_at_marks: false, rings: true })
}

/// Drains as `ttmem run` does, until it is killed.
fn drainer(rings: &Path) -> Child {
    Run::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "drains_until_it_is_killed", "--ignored", "--nocapture"])
        .env("TTMEM_DRAIN", rings)
        .start()
}

#[test]
#[ignore = "what other tests start"]
fn drains_until_it_is_killed() {
    let Some(rings) = std::env::var_os("TTMEM_DRAIN") else { return };
    let mut drainer = keeping_drainer(Path::new(&rings));
    let _ = std::io::stdout().flush();
    drainer.run_until(&std::sync::atomic::AtomicBool::new(false));
}

#[test]
fn readers_are_killed_while_they_drain_and_the_next_one_knows_all() {
    let mut random = Random::new();
    println!("TTMEM_TEST_SEED={}", random.seed);
    for round in 0..number("TTMEM_TEST_ROUNDS", 40) / 4 {
        let steady = Steady {
            threads: 1 + round % 2,
            // The last so few events that the reader takes them out of the queue.
            spin: [300, 2000, 200_000][round as usize / 2 % 3],
            ring_bytes: [4096, 65_536, 1 << 20][round as usize % 3],
            ..SMALL
        };
        let mut scene = Scene::start(steady);
        for _ in 0..6 {
            let mut reader = drainer(scene.rings.path());
            thread::sleep(Duration::from_micros(5000 + random.below(30_000)));
            reader.kill().expect("SIGKILL");
            reader.wait().expect("waiting for the killed");
            let seen = scene.report();
            let after: Vec<u64> = scene.returned().iter().map(|events| events + 1).collect();
            steady.check(seen.process(), &[0; 2], &after);
            // Now and then the process itself goes on folding.
            thread::sleep(Duration::from_micros(random.below(10_000)));
        }
        scene.kill();
        scene.check_dead();
    }
}

#[test]
fn while_a_reader_is_stopped_nothing_is_folded_and_losses_are_counted() {
    let steady = Steady { spin: 0, on_full: "drop", ..SMALL };
    let mut scene = Scene::start(steady);
    scene.ring();
    let mut reader = drainer(scene.rings.path());
    let drains = || {
        let ring = ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").lock_for_draining();
        ring.is_err_and(|taken| taken.pid == reader.id()).then_some(())
    };
    wait_for("reader", drains);
    signal("STOP", reader.id());
    thread::sleep(Duration::from_millis(50));
    let seen = || fs::metadata(scene.snapshot()).and_then(|file| file.modified()).ok();
    let before = seen();
    thread::sleep(Duration::from_millis(number("TTMEM_TEST_STOP_MS", 500)));
    assert_eq!(seen(), before, "a reader has the ring: nothing is folded");
    let dropped = || ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").counters().dropped();
    let earlier = dropped();
    wait_for("events that are lost meanwhile", || (dropped() > earlier).then_some(()));
    let dropped = dropped();
    reader.kill().expect("SIGKILL");
    reader.wait().expect("waiting for the killed");
    wait_for("more folding", || (seen() != before).then_some(()));
    scene.kill();
    let report = scene.report();
    let (reported, drained, lost) = Report::events(report.process());
    assert_eq!(reported, drained + lost);
    assert!(lost > dropped / 2);
    let returned: u64 = scene.returned().iter().sum();
    // The call that a thread was killed in may be counted, or half written.
    assert!((returned..=returned + 2).contains(&reported), "{reported} of {returned}");
    let events = |device| {
        let totals = Report::totals(report.process(), device, "DRAM");
        totals.allocations + totals.frees
    };
    let unmatched = report.process()["unmatched_frees"].as_u64().expect("unmatched_frees");
    assert_eq!(events(0) + events(1) + unmatched, drained);
}

#[test]
fn a_stopped_reader_makes_a_program_wait_no_longer_than_it_may() {
    let steady = Steady { threads: 1, spin: 0, on_full: "block:20", events: 200_000, waits: false, ..SMALL };
    let scene = Scene::start_with(steady, |run| run.env("TTMEM_FOLD", "0"));
    let mut scene = scene;
    wait_for("a full queue", || {
        let counters = ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").counters();
        (counters.dropped() > 3).then_some(())
    });
    let from = (Instant::now(), ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").counters().dropped());
    thread::sleep(Duration::from_millis(500));
    let dropped = ttmem_ring::RingReader::open(&scene.ring()).expect("the ring").counters().dropped() - from.1;
    let each = from.0.elapsed() / dropped.max(1) as u32;
    assert!((15..100).contains(&each.as_millis()), "{each:?}");
    scene.kill();
}

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
    let reached = tempfile::NamedTempFile::new().expect("a file");
    let failpoint = format!("{step}:{times}");
    let scene = Scene::start_with(SMALL, |run| {
        let run = run.env("LD_PRELOAD", library).env("TTMEM_FAILPOINT", &failpoint);
        run.env("TTMEM_FAILPOINT_FILE", reached.path())
    });
    wait_for(&failpoint, || fs::read(reached.path()).is_ok_and(|text| !text.is_empty()).then_some(()));
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
