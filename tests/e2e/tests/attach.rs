//! `ttmem attach`: processes that were not started with ttmem, under load.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use ttmem_e2e::{Outcome, Report, Run, Variant, command, folder, number, simulation, skip};

/// A scenario that allocates on two threads until its standard input is closed.
fn serve(name: &str, truth: &Path) -> Child {
    let simulation = simulation(Variant::Wheel);
    let mut server = Command::new(simulation.join("local"));
    server.arg(simulation.join("libscenarios.so")).arg(name).arg(truth);
    let mut server = server.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a server");
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("its first line");
    assert_eq!(line, "step serving\n");
    server
}

fn attach(pid: u32, rings: &Path, words: &[&str]) -> Run {
    Run::new(command()).arg("attach").arg(pid.to_string()).args(words).env("TTMEM_DIR", rings)
}

fn report(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a report")).expect("JSON")
}

fn gdb_is_missing() -> bool {
    let is_missing = find("gdb").is_none();
    if is_missing {
        skip("no gdb");
    }
    is_missing
}

fn find(program: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&paths).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A PATH with lldb alone: that of the variable TTMEM_TEST_LLDB, else of PATH.
fn lldb_alone(folder: &Path) -> Option<PathBuf> {
    let lldb = env::var_os("TTMEM_TEST_LLDB").map(PathBuf::from).or_else(|| find("lldb"));
    if lldb.is_none() {
        // Not on the list of what a machine must have: gdb comes first. The nightly script has one.
        println!("no lldb on PATH, and TTMEM_TEST_LLDB names none: not tried");
    }
    let path = folder.join("path");
    fs::create_dir_all(&path).expect("a folder");
    symlink(lldb?, path.join("lldb")).expect("a link");
    Some(path)
}

/// Attached, detached and attached again while it serves; at last until it ends, and then all that it held is known.
fn again_and_again(name: &str, path: &OsStr) {
    let files = folder();
    let (truth, json) = (files.path().join("truth"), files.path().join("report.json"));
    let json_words = ["--quiet", "--json", json.to_str().expect("a path")];
    let mut server = serve(name, &truth);
    for _ in 0..number("TTMEM_TEST_ATTACHED", 3) {
        let words = [&json_words[..], &["--duration", "1"]].concat();
        let outcome = attach(server.id(), files.path(), &words).env("PATH", path).outcome();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""));
        let report = report(&json);
        let process = &report["processes"][0];
        assert_eq!(process["ended"], json!({"stopped": true}));
        assert_eq!((Report::events(process).2, &process["unmatched_frees"]), (0, &0.into()));
        assert!(
            Report::totals(process, 1, "DRAM").live_bytes >= 1 << 20,
            "what was there before is known: {process:#}"
        );
    }
    let mut last = Command::new(command());
    last.arg("attach").arg(server.id().to_string()).args(&json_words[1..]).env("TTMEM_DIR", files.path());
    last.env("PATH", path);
    let mut last = last.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ttmem attach");
    let mut line = String::new();
    BufReader::new(last.stderr.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
    assert!(line.starts_with("ttmem: tracking pid"), "{line}");
    drop(server.stdin.take());
    let steps: Vec<String> =
        BufReader::new(server.stdout.take().expect("a pipe")).lines().map(|line| line.expect("a line")).collect();
    assert_eq!(
        (steps, server.wait().expect("an end").code()),
        (vec!["step served".to_owned(), "step all".to_owned()], Some(0))
    );
    assert_eq!(last.wait().expect("an end").code(), Some(0));
    let truth = fs::read_to_string(&truth).expect("the truth");
    let truth: Value = serde_json::from_str(truth.lines().last().expect("a line")).expect("a line of truth");
    let report = report(&json);
    let process = &report["processes"][0];
    assert_eq!((Report::events(process).2, &process["unmatched_frees"]), (0, &0.into()));
    for (device, row) in truth["truth"]["devices"].as_array().expect("devices").iter().enumerate() {
        for memory in ["DRAM", "L1"] {
            let (told, truth) = (Report::totals(process, device as i64, memory), &row["memory"][memory]);
            assert_eq!(
                json!([told.live_buffers, told.live_bytes]),
                json!([truth["live_buffers"], truth["live_bytes"]])
            );
        }
    }
    assert_eq!(fs::read_dir(files.path()).expect("the folder").count(), 2, "only what the test made is left");
}

#[test]
fn servers_are_attached_to_again_and_again() {
    if !gdb_is_missing() {
        let path = env::var_os("PATH").unwrap_or_default();
        again_and_again("server", &path);
        // Its first thread computes.
        again_and_again("busy-server", &path);
    }
}

#[test]
fn servers_are_attached_to_again_and_again_by_lldb() {
    let files = folder();
    if let Some(path) = lldb_alone(files.path()) {
        again_and_again("server", path.as_os_str());
        again_and_again("busy-server", path.as_os_str());
    }
}

#[test]
fn top_is_shown_meanwhile_and_q_reports() {
    if gdb_is_missing() {
        return;
    }
    let files = folder();
    let json = files.path().join("report.json");
    let mut server = serve("server", &files.path().join("truth"));
    // script gives it a terminal.
    let attach = format!("{} attach {} --top --json {}", command().display(), server.id(), json.display());
    let line = format!("stty rows 40 columns 120 && exec {attach}");
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
    terminal.env("TTMEM_DIR", files.path()).env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().expect("script");
    let mut screen = Vec::new();
    let mut output = terminal.stdout.take().expect("a pipe");
    while !String::from_utf8_lossy(&screen).contains("DRAM") {
        let mut part = [0; 4096];
        let read = output.read(&mut part).expect("a screen");
        assert!(read != 0, "ended: {}", String::from_utf8_lossy(&screen));
        screen.extend(&part[..read]);
    }
    terminal.stdin.as_mut().expect("a pipe").write_all(b"q").expect("a key");
    output.read_to_end(&mut screen).expect("the report");
    assert_eq!(terminal.wait().expect("an end").code(), Some(0));
    let report = report(&json);
    let process = &report["processes"][0];
    assert_eq!(process["ended"], json!({"stopped": true}));
    assert_eq!((Report::events(process).2, &process["unmatched_frees"]), (0, &0.into()));
    drop(server.stdin.take());
    assert_eq!(server.wait().expect("an end").code(), Some(0));
}

#[test]
fn what_forbids_it_is_said_in_one_line() {
    let files = folder();
    let refused = |outcome: Outcome, words: &str| {
        let line = outcome.stderr.trim_end();
        assert!(outcome.code() == 2 && line.contains(words) && !line.contains('\n'), "{words:?}: {line}");
    };
    refused(attach(0x7FFF_FFFF, files.path(), &[]).outcome(), "no such process");
    let mut server = serve("server", &files.path().join("truth"));
    let without = attach(server.id(), files.path(), &[]).env("PATH", "/nonexistent");
    refused(without.outcome(), "neither gdb nor lldb is on PATH; install one");
    refused(attach(server.id(), files.path(), &["--top"]).outcome(), "no terminal");
    let library = ["--library", "/nonexistent/libttmem.so"];
    refused(attach(server.id(), files.path(), &library).outcome(), "--library names no file");
    let not_one = files.path().join("libttmem.so");
    fs::write(&not_one, "no library").expect("a file");
    let words = ["--library", not_one.to_str().expect("a path")];
    let line = format!("its dynamic linker refuses {0}: {0}: file too short", not_one.display());
    if !gdb_is_missing() {
        refused(attach(server.id(), files.path(), &words).outcome(), &line);
    }
    if let Some(path) = lldb_alone(files.path()) {
        refused(attach(server.id(), files.path(), &words).env("PATH", path).outcome(), &line);
    }
    assert_eq!(server.try_wait().expect("its state"), None, "it runs on");
    drop(server.stdin.take());
    assert_eq!(server.wait().expect("an end").code(), Some(0));
}

#[test]
fn a_process_that_ends_meanwhile_is_said_to_have_ended() {
    let files = folder();
    let mut target = Command::new("sleep").arg("600").spawn().expect("a process");
    // Takes its place, and comes too late: the process is about to end, and takes a while on a busy machine.
    let (gdb, sleep) = (files.path().join("gdb"), find("sleep").expect("sleep"));
    let kill = format!("({} 0.3; kill -9 {}) &", sleep.display(), target.id());
    let script = format!("#!/bin/sh\n{kill}\necho The program is not being run.\n");
    fs::write(&gdb, script).expect("a script");
    fs::set_permissions(&gdb, PermissionsExt::from_mode(0o700)).expect("a script");
    let outcome = attach(target.id(), files.path(), &[]).env("PATH", files.path()).outcome();
    assert_eq!((outcome.code(), outcome.stderr), (2, format!("ttmem: attach {}: it has ended\n", target.id())));
    target.wait().expect("an end");
}
