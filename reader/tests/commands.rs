//! The command line as scripts rely on it: exit codes, one line for bad input, and commands that take nothing they must not.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ttmem_reader::{Drainer, Ended, Keep, SiteStyle, Suppressions, analysis::Analysis};
use ttmem_ring::{CreateOptions, RingFile};
use ttmem_wire::{Event, Memory, Target};

mod common;
use common::Folder;

fn ttmem(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ttmem"))
        .args(arguments)
        .env("TTMEM_DIR", folder.rings())
        // What is preloaded does not matter here, only that a file is there: the loader ignores it with a message.
        .env("TTMEM_LIBRARY", Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .env_remove("TTMEM_RING_BYTES")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn make_ring(folder: &Path) -> RingFile {
    let options = CreateOptions { folder, ring_bytes: 4096, queue_slots: 64, producer: "test" };
    let ring = RingFile::create(&options).unwrap();
    let event =
        Event { memory: Some(Memory::L1), target: Target::Device(3), address: 4096, size: 2048, ..Event::default() };
    let [_, payload @ ..] = event.encode().words;
    ring.queue().push(&payload).unwrap();
    ring
}

/// Not a test of its own: the process of `a_dead_ring`, which makes a ring and ends.
#[test]
fn child_that_makes_a_ring() {
    if let Some(folder) = std::env::var_os("TTMEM_TEST_RING_FOLDER") {
        make_ring(folder.as_ref());
    }
}

fn a_dead_ring(folder: &Folder) -> PathBuf {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_makes_a_ring"])
        .env("TTMEM_TEST_RING_FOLDER", folder.rings())
        .output()
        .unwrap()
        .status;
    assert!(status.success());
    ttmem_ring::discover(&folder.rings()).unwrap().pop().unwrap()
}

#[test]
fn run_passes_exit_codes_on() {
    let folder = Folder::new("exit");
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)] {
        let output = ttmem(&folder, &["run", "--quiet", "--", "sh", "-c", script]);
        assert_eq!(output.status.code(), Some(code), "{script}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
    assert_eq!(ttmem(&folder, &["run", "--", "/no/such/command"]).status.code(), Some(127));
    assert_eq!(ttmem(&folder, &["run", "--", "/dev/null"]).status.code(), Some(126));
    let left: Vec<_> = std::fs::read_dir(folder.rings()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn run_leaves_standard_streams_to_the_command() {
    let folder = Folder::new("streams");
    let output = ttmem(&folder, &["run", "--quiet", "--", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(text(&output.stdout), "out\n");
    assert!(text(&output.stderr).ends_with("err\n"), "{}", text(&output.stderr));
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    let folder = Folder::new("bad");
    let garbage = folder.0.join("garbage.ring");
    std::fs::write(&garbage, "no ring").unwrap();
    let garbage = garbage.to_str().unwrap();
    let json = folder.0.join("no/such/folder.json");
    for arguments in [
        vec!["report", "/no/such/ring"],
        vec!["report", garbage],
        vec!["run", "--json", json.to_str().unwrap(), "--", "true"],
        vec!["run", "--fail-on-leak=1024", "--", "true"],
    ] {
        let output = ttmem(&folder, &arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("ttmem: "), "{stderr}");
    }
    for (name, value) in [("TTMEM_RING_BYTES", "7"), ("TTMEM_RING_BYTES", "many"), ("TTMEM_ON_FULL", "block:")] {
        let output = Command::new(env!("CARGO_BIN_EXE_ttmem"))
            .args(["run", "--", "true"])
            .env("TTMEM_DIR", folder.rings())
            .env(name, value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}");
        assert_eq!(text(&output.stderr).lines().count(), 1);
    }
    assert_eq!(ttmem(&folder, &["run"]).status.code(), Some(2));
    assert_eq!(ttmem(&folder, &["dance"]).status.code(), Some(2));
}

#[test]
fn report_tells_what_a_dead_process_held_as_often_as_asked() {
    let folder = Folder::new("report");
    let ring = a_dead_ring(&folder);
    let ask = || {
        let output = ttmem(&folder, &["report", ring.to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let first = ask();
    // Nothing had moved the event out of the queue: it is found there.
    assert!(first.contains("events: 1 reported, 1 drained, 0 lost"), "{first}");
    assert!(first.contains("2.0 KiB  L1       at 0x1000       device 3"), "{first}");
    assert_eq!(first, ask());
    assert!(!first.contains('\u{1b}'), "no colours where there is no terminal");
}

#[test]
fn a_dead_ring_that_was_drained_and_kept_tells_the_same_again() {
    let folder = Folder::new("drained");
    let ring = a_dead_ring(&folder);
    let mut drainer = Drainer::new(&folder.rings(), Keep { rings: true, ..Keep::default() });
    drainer.finish(0, Ended::Unknown);
    // From the queue: the event never was in the ring.
    assert_eq!(drainer.sessions()[0].drained(), 1);
    let output = ttmem(&folder, &["report", ring.to_str().unwrap()]);
    let report = text(&output.stdout);
    assert!(report.contains("events: 1 reported, 1 drained, 0 lost"), "{report}");
    assert!(report.contains("2.0 KiB  L1       at 0x1000       device 3"), "{report}");
    assert!(!report.contains("damaged") && !report.contains("Inconclusive"), "{report}");
}

#[test]
fn a_drainer_holds_on_to_no_dead_ring() {
    let folder = Folder::new("closed");
    let rings: Vec<PathBuf> = (0..3).map(|_| a_dead_ring(&folder)).collect();
    let garbage = folder.rings().join("garbage.ring");
    std::fs::write(&garbage, "no ring").unwrap();
    let mut drainer = Drainer::new(&folder.rings(), Keep::default());
    drainer.finish(0, Ended::Unknown);
    assert!(!rings.iter().any(|ring| ring.exists()), "a dead ring that was drained is only memory");
    let mapped = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!mapped.contains(folder.rings().to_str().unwrap()), "{mapped}");
    let analysis = Analysis::new(drainer.sessions(), &Suppressions::default(), SiteStyle::default());
    assert_eq!(analysis.processes.len(), 3);
    assert!(analysis.processes.iter().all(|process| process.live.len() == 1 && process.end.is_end()));
    assert_eq!(drainer.complaints().collect::<Vec<_>>().len(), 1, "what is no ring is told of");
}

#[test]
fn ls_lists_and_clean_removes_the_dead_alone() {
    let folder = Folder::new("clean");
    let dead = a_dead_ring(&folder);
    let alive = make_ring(&folder.rings());
    let listed = text(&ttmem(&folder, &["ls"]).stdout);
    assert!(listed.contains("dead") && listed.contains("alive") && listed.contains("2.0 KiB"), "{listed}");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&ttmem(&folder, &["ls", "--json"]).stdout).unwrap();
    let bytes =
        |row: &serde_json::Value| (row["live_bytes"].as_u64().unwrap(), row["orphaned_bytes"].as_u64().unwrap());
    // The living one's event is still in its queue, which only a dead one's reader may look into.
    assert_eq!(rows.iter().map(bytes).max(), Some((0, 2048)), "a dead process holds nothing any more");
    let planned = text(&ttmem(&folder, &["clean", "--dry-run"]).stdout);
    assert!(dead.exists() && planned.starts_with("would remove "), "{planned}");
    let cleaned = text(&ttmem(&folder, &["clean"]).stdout);
    assert!(cleaned.contains(dead.to_str().unwrap()), "{cleaned}");
    assert_eq!(planned.replace("would remove ", "removed "), cleaned);
    assert!(!dead.exists() && alive.path().exists());
    let nothing = text(&ttmem(&folder, &["clean"]).stdout);
    assert!(nothing.starts_with("nothing to clean in ") && nothing.ends_with("which TTMEM_DIR names\n"), "{nothing}");
}

#[test]
fn what_is_ignored_stays_ignored() {
    let folder = Folder::new("ignored");
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let script = format!(
        "trap '' HUP INT; exec {} run --quiet -- sh -c 'kill -HUP $PPID; kill -INT $PPID; sleep 0.1; grep SigIgn /proc/self/status'",
        env!("CARGO_BIN_EXE_ttmem")
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("TTMEM_DIR", folder.rings())
        .env("TTMEM_LIBRARY", library)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mask = text(&output.stdout).trim().rsplit('\t').next().map(|mask| u64::from_str_radix(mask, 16).unwrap());
    assert_eq!(mask.map(|mask| mask & 0b11), Some(0b11), "SIGHUP and SIGINT");
}

#[test]
fn a_run_that_cannot_start_leaves_no_empty_report_and_a_relative_folder_is_made_absolute() {
    let folder = Folder::new("start");
    let json = folder.0.join("report.json");
    assert_eq!(ttmem(&folder, &["run", "--json", json.to_str().unwrap(), "--", "/no/such"]).status.code(), Some(127));
    assert!(!json.exists());
    let output = Command::new(env!("CARGO_BIN_EXE_ttmem"))
        .args(["run", "--quiet", "--", "sh", "-c", "cd / && ls -d \"$TTMEM_DIR\""])
        .current_dir(&folder.0)
        .env("TTMEM_DIR", "rings")
        .env("TTMEM_LIBRARY", Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn clean_says_what_it_removed_folders_too() {
    let folder = Folder::new("folders");
    let run = folder.rings().join("run-999999999-0");
    std::fs::create_dir_all(&run).unwrap();
    let dead = a_dead_ring(&folder);
    std::fs::rename(&dead, run.join(dead.file_name().unwrap())).unwrap();
    std::fs::write(run.join("7-a.ring.sites"), "").unwrap();
    let planned = text(&ttmem(&folder, &["clean", "-n"]).stdout);
    assert!(planned.lines().count() == 3 && run.exists(), "{planned}");
    let told = text(&ttmem(&folder, &["clean"]).stdout);
    assert_eq!(planned.replace("would remove ", "removed "), told);
    assert!(!run.exists() && told.starts_with("removed ") && !told.contains("nothing"), "{told}");
}

/// The number of a dead process is given out again, here to this test: its ring is dead all the same, and so is what it held.
#[test]
fn a_process_id_that_serves_again_changes_nothing() {
    let folder = Folder::new("reused");
    let path = a_dead_ring(&folder);
    let before = std::fs::read(&path).unwrap();
    let header = ttmem_wire::Header::decode(&before, before.len() as u64).unwrap();
    for process_start in [header.process_start, ttmem_ring::process_start(std::process::id()).unwrap()] {
        let page = ttmem_wire::Header { pid: std::process::id(), process_start, ..header.clone() }.encode();
        let mut bytes = before.clone();
        bytes[..page.len()].copy_from_slice(&page);
        std::fs::write(&path, &bytes).unwrap();
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&ttmem(&folder, &["ls", "--json"]).stdout).unwrap();
        assert_eq!((&rows[0]["alive"], &rows[0]["live_bytes"]), (&false.into(), &0.into()));
        let told = text(&ttmem(&folder, &["report", path.to_str().unwrap()]).stdout);
        assert!(told.contains("ended; exit status unknown") && told.contains("Live when it ended"), "{told}");
    }
    assert!(text(&ttmem(&folder, &["clean"]).stdout).contains(path.to_str().unwrap()));
}

#[test]
fn a_name_that_is_not_there_is_answered_by_one_that_is_near() {
    let folder = Folder::new("near");
    let ring = a_dead_ring(&folder);
    let ring = ring.to_str().unwrap();
    let refused = |arguments: &[&str]| {
        let output = ttmem(&folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr).lines().count(), 1, "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let told = refused(&["explain", "held-by-few"]);
    assert!(told.contains("did you mean `ttmem explain held-by-fewer`?"), "{told}");
    assert!(!refused(&["explain", "quux"]).contains("did you mean"));
    // The process that made the ring has this name among its arguments.
    let near = "did you mean \"child_that_makes_a_ring\"?";
    for command in [&["report"][..], &["export", "--format", "jsonl"], &["diff", ring]] {
        let with = |name| [command, &["--process", name, ring]].concat();
        assert!(refused(&with("child_that_makes_a_rink")).contains(near), "{command:?}");
        assert!(ttmem(&folder, &with("child_that_makes_a_ring")).status.success(), "{command:?}");
    }
}

#[test]
fn a_flag_stands_for_each_variable_and_a_folder_is_named_by_either() {
    let folder = Folder::new("flags");
    let other = folder.0.join("other");
    std::fs::create_dir(&other).unwrap();
    let script = "echo $TTMEM_RING_BYTES $TTMEM_ON_FULL $TTMEM_STACKS $TTMEM_CLOCK $TTMEM_LOG $TTMEM_DIR";
    let flags =
        ["--ring-bytes", "64KiB", "--on-full=drop", "--stacks=off", "--clock", "monotonic", "--log=off", "--dir"];
    let arguments = [&["run", "--quiet"], &flags[..], &[other.to_str().unwrap(), "--", "sh", "-c", script]].concat();
    let output = ttmem(&folder, &arguments);
    let start = format!("65536 drop off monotonic off {}/run-", other.display());
    assert!(text(&output.stdout).starts_with(&start), "{output:?}");
    let refused = |arguments: &[&str]| {
        let output = ttmem(&folder, arguments);
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{arguments:?}: {stderr}");
        stderr
    };
    let line = refused(&["run", "--stacks", "lua", "--", "true"]);
    assert_eq!(line, "ttmem: --stacks lua: not on, python, native or off\n");
    let line = refused(&["record", "-o", "/no/such", "--ring-bytes", "7", "--", "true"]);
    assert_eq!(line, "ttmem: --ring-bytes 7: not a number of bytes from 4096 to 1 GiB\n");
    let line = refused(&["run", "--library", "/no/such", "--", "true"]);
    assert_eq!(line, "ttmem: /no/such: --library names no file; give the path of libttmem.so\n");
    let line = refused(&["run", "--dir", "/no/such", "--", "true"]);
    assert_eq!(line, "ttmem: --dir /no/such: no such folder; create it, or name another\n");
    let missing = Folder(folder.0.join("no/such"));
    let output = ttmem(&missing, &["run", "--", "true"]);
    let rings = missing.rings().display().to_string();
    let line = format!("ttmem: TTMEM_DIR={rings}: no such folder; create it, or unset TTMEM_DIR\n");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), line));
    let listed = text(&ttmem(&missing, &["ls"]).stderr);
    assert_eq!(listed, format!("ttmem: no rings in {rings}, which TTMEM_DIR names: no such folder\n"));
    let listed = text(&ttmem(&missing, &["ls", "--dir", other.to_str().unwrap()]).stderr);
    assert_eq!(listed, format!("ttmem: no rings in {}, which --dir names\n", other.display()));
    let ring = a_dead_ring(&folder);
    std::fs::rename(&ring, other.join(ring.file_name().unwrap())).unwrap();
    for command in [&["ls"][..], &["clean"]] {
        let output = ttmem(&missing, &[command, &["--dir", other.to_str().unwrap()]].concat());
        assert!(text(&output.stdout).contains(ring.file_name().unwrap().to_str().unwrap()), "{output:?}");
    }
}
