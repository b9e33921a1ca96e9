//! What `ttmem report` makes of the names that a user gives it: folders, process ids, sidecar files, and what is nothing of ours.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use ttmem_ring::snapshot_path;
use ttmem_wire::{SNAPSHOT_MAGIC, sites::SITES_MAGIC};

mod common;
use common::{Folder, hold_one_of_two, ring, training};

fn report(folder: &Folder, names: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttmem"));
    command.arg("report").args(names).env("TTMEM_DIR", folder.rings()).env_remove("TTMEM_SUPPRESSIONS");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The one line of a command that could not do its work.
fn refusal(output: &Output) -> String {
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert_eq!(text(&output.stdout), "");
    stderr
}

fn write_recording(path: &Path) {
    training(1, 2).write(path, &["python", "model.py"], 2);
}

#[test]
fn a_folder_is_all_that_can_be_read_in_it() {
    let folder = Folder::new("inputs-folder");
    let recordings = folder.0.join("recordings");
    fs::create_dir(&recordings).unwrap();
    let line = refusal(&report(&folder, &[&recordings]));
    assert!(line.contains("no recording and no ring in this folder"), "{line}");
    write_recording(&recordings.join("a.ttmem"));
    write_recording(&recordings.join("b.ttmem"));
    fs::write(recordings.join("notes.txt"), "nothing of ours").unwrap();
    let output = report(&folder, &[&recordings]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert_eq!(text(&output.stdout).matches("python model.py").count(), 2, "{}", text(&output.stdout));
    // The rings of runs lie a folder deeper.
    let live = ring(&folder);
    let held = hold_one_of_two(&live);
    let run = folder.rings().join("run-999999999-0");
    fs::create_dir(&run).unwrap();
    fs::rename(live.path(), run.join(live.path().file_name().unwrap())).unwrap();
    let output = report(&folder, &[&folder.rings()]);
    assert!(text(&output.stdout).contains("events: 3 reported"), "{output:?}");
    drop(held);
}

#[test]
fn sidecar_files_are_skipped_beside_others_and_named_alone() {
    let folder = Folder::new("inputs-sidecar");
    let live = ring(&folder);
    let held = hold_one_of_two(&live);
    let sites = folder.0.join("7-a.ring.sites");
    let snapshot = snapshot_path(&folder.0.join("7-a.ring"));
    fs::write(&sites, SITES_MAGIC.to_le_bytes()).unwrap();
    fs::write(&snapshot, SNAPSHOT_MAGIC).unwrap();
    let output = report(&folder, &[&sites, live.path(), &snapshot]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert!(text(&output.stdout).contains("events: 3 reported"), "{output:?}");
    for sidecar in [&sites, &snapshot] {
        let line = refusal(&report(&folder, &[sidecar]));
        assert!(line.contains("a sidecar file of a ring; name the ring, ") && line.contains("/7-a.ring\n"), "{line}");
    }
    drop(held);
}

#[test]
fn what_is_nothing_of_ours_fails_only_alone() {
    let folder = Folder::new("inputs-unknown");
    let (notes, recording) = (folder.0.join("notes.txt"), folder.0.join("a.ttmem"));
    fs::write(&notes, "nothing of ours").unwrap();
    write_recording(&recording);
    let line = refusal(&report(&folder, &[&notes]));
    assert_eq!(line, format!("ttmem: {}: neither a recording nor a ring\n", notes.display()));
    let output = report(&folder, &[&recording, &notes]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), line.clone()));
    assert_eq!(report(&folder, &[&notes, &notes]).status.code(), Some(2));
    let export =
        Command::new(env!("CARGO_BIN_EXE_ttmem")).args(["export", "-f", "jsonl"]).arg(&notes).output().unwrap();
    assert_eq!(refusal(&export), line);
}

#[test]
fn a_process_is_named_by_its_id() {
    let folder = Folder::new("inputs-pid");
    let pid = std::process::id().to_string();
    let line = refusal(&report(&folder, &[pid.as_ref()]));
    assert!(line.starts_with(&format!("ttmem: process {pid} has no ring: ")), "{line}");
    let line = refusal(&report(&folder, &["4194305".as_ref()]));
    assert!(line.starts_with("ttmem: 4194305: no such file, and no process of this id has a ring"), "{line}");
    let live = ring(&folder);
    let held = hold_one_of_two(&live);
    let output = report(&folder, &[pid.as_ref()]);
    assert!(output.status.success() && text(&output.stdout).contains("events: 3 reported"), "{output:?}");
    drop(held);
}

#[test]
fn a_size_after_a_blank_is_no_command_and_no_file() {
    let folder = Folder::new("inputs-size");
    let ttmem = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ttmem"));
        command.args(arguments).env("TTMEM_DIR", folder.rings()).current_dir(&folder.0);
        command.env("TTMEM_LIBRARY", Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
        command.output().unwrap()
    };
    for arguments in [
        &["run", "--fail-on-leftover", "1024", "--", "true"][..],
        &["run", "--quiet", "--fail-on-leftover", "1024", "true"],
        &["record", "-o", "a.ttmem", "--fail-on-leftover", "1024", "--", "true"],
        &["report", "--fail-on-leftover", "1024", "a.ttmem"],
    ] {
        let line = refusal(&ttmem(arguments));
        assert_eq!(
            line,
            "ttmem: --fail-on-leftover 1024: the size belongs behind a `=`; write --fail-on-leftover=1024\n"
        );
    }
    let line = refusal(&ttmem(&["diff", "--fail-on-growth", "36KiB", "a.ttmem", "b.ttmem"]));
    assert!(line.ends_with("write --fail-on-growth=36KiB\n"), "{line}");
    assert!(!folder.0.join("a.ttmem").exists(), "nothing was run, and nothing recorded");
    // What belongs to the command is the command's.
    let echo = ttmem(&["run", "--quiet", "--", "echo", "--fail-on-leftover", "1024"]);
    assert_eq!(text(&echo.stdout), "--fail-on-leftover 1024\n");
}
