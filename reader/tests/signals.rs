//! Each command that runs on ends within a second: on SIGINT, SIGTERM and SIGHUP, on the terminal's ^C, and when the terminal is gone.
//! The terminal is as it was, and what there is to write is written.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

mod common;
use common::{Folder, Held, ring};

const LIMIT: Duration = Duration::from_secs(30);
/// What the issue allows, and what a machine may need that runs other tests too.
const END: Duration = Duration::from_secs(if cfg!(debug_assertions) { 3 } else { 1 });

/// A command in a terminal of its own.
struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    input: Option<Box<dyn Write + Send>>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn run(folder: &Folder, arguments: &[&str]) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 100, ..PtySize::default() }).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_ttmem"));
        command.args(arguments);
        command.cwd(&folder.0);
        command.env("TTMEM_DIR", folder.0.join("rings"));
        command.env("TERM", "xterm");
        // Only that a file is there matters: the loader ignores it with a message.
        command.env("TTMEM_LIBRARY", Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut output, kept) = (pair.master.try_clone_reader().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        let input = pair.master.take_writer().unwrap();
        Self { child, master: Some(pair.master), input: Some(input), seen }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    fn until(&self, what: &str) {
        let since = Instant::now();
        while !self.text().contains(what) {
            assert!(since.elapsed() < LIMIT, "no {what:?}: {:.2000}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Does what is to end it. The pty's reader thread holds a copy of the master, so a hang-up is left to the other test.
    fn end_by(&mut self, how: &str) {
        match how {
            "^C" => self.input.as_mut().unwrap().write_all(b"\x03").unwrap(),
            "^D" => self.input.as_mut().unwrap().write_all(b"\x04").unwrap(),
            name => {
                let pid = self.child.process_id().unwrap().to_string();
                Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap();
            }
        }
    }

    fn wait(&mut self, what: &str) -> u32 {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            if since.elapsed() > END {
                let _ = self.child.kill();
                panic!("{what} is there {:?} later: {}", since.elapsed(), self.text());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A sleeper that says when it is there.
const SLEEP: [&str; 4] = ["--", "sh", "-c", "echo started; exec sleep 100"];

#[test]
fn run_and_record_end_with_their_command_and_write_what_they_have() {
    for how in ["INT", "TERM", "HUP", "^C"] {
        let folder = Folder::new(&format!("signals-run-{}", how.trim_matches('^')));
        for start in [&["run", "--json", "out.json"][..], &["record", "-o", "out.ttmem"]] {
            let mut terminal = Terminal::run(&folder, &[start, &SLEEP].concat());
            terminal.until("started");
            terminal.end_by(how);
            let code = terminal.wait(&format!("{} on {how}", start[0]));
            assert!(code > 128, "{start:?} on {how}: {code}");
            terminal.until("no process reported an event");
        }
        let json: serde_json::Value = serde_json::from_slice(&fs::read(folder.0.join("out.json")).unwrap()).unwrap();
        assert_eq!(json["processes"].as_array().map(Vec::len), Some(0));
        let report = Command::new(env!("CARGO_BIN_EXE_ttmem")).arg("report").arg(folder.0.join("out.ttmem")).output();
        let report = report.unwrap();
        assert!(report.status.success() && !String::from_utf8_lossy(&report.stdout).contains("cut"));
    }
}

#[test]
fn top_and_serve_end_and_give_the_terminal_back() {
    let folder = Folder::new("signals-top");
    for how in ["INT", "TERM", "HUP", "^C"] {
        let mut terminal = Terminal::run(&folder, &["top"]);
        terminal.until("? help");
        terminal.end_by(how);
        assert_eq!(terminal.wait(&format!("top on {how}")), 0);
        // It leaves the alternate screen, shows the cursor, and wants no mouse.
        terminal.until("\x1b[?1049l");
        assert!(terminal.text().contains("\x1b[?25h") && terminal.text().contains("\x1b[?1000l"), "{how}");
        let mut terminal = Terminal::run(&folder, &["serve", "--listen", "127.0.0.1:0"]);
        terminal.until("/metrics");
        terminal.end_by(how);
        assert_eq!(terminal.wait(&format!("serve on {how}")), 0);
    }
}

#[test]
fn follow_ends_on_signals_and_at_the_end_of_its_input() {
    let folder = Folder::new("signals-follow");
    let file = ring(&folder);
    let mut held = Held::new(&file);
    held.push(ttmem_wire::Event { size: 4096, ..ttmem_wire::Event::default() });
    let path = file.path().to_str().unwrap();
    for how in ["INT", "TERM", "HUP", "^C", "^D"] {
        let mut terminal = Terminal::run(&folder, &["follow", path]);
        terminal.until("ttmem-follow/1");
        terminal.end_by(how);
        terminal.wait(&format!("follow on {how}"));
        // Its lock is gone with it.
        let mut next = Terminal::run(&folder, &["follow", path]);
        next.until("ttmem-follow/1");
        next.end_by("^D");
        assert_eq!(next.wait("the next"), 0);
    }
}

/// Not a test of its own: the owner of a terminal in which a command runs, until it is killed.
#[test]
fn child_that_owns_a_terminal() {
    let Some(folder) = std::env::var_os("TTMEM_TEST_TERMINAL") else { return };
    let folder = std::mem::ManuallyDrop::new(Folder(folder.into()));
    let arguments = std::env::var("TTMEM_TEST_ARGUMENTS").unwrap();
    let terminal = Terminal::run(&folder, &arguments.split('\t').collect::<Vec<_>>());
    terminal.until(&std::env::var("TTMEM_TEST_SEEN").unwrap());
    fs::write(folder.0.join("pid"), terminal.child.process_id().unwrap().to_string()).unwrap();
    let _kept = (&terminal.master, &terminal.input);
    std::thread::sleep(LIMIT);
}

/// Whether a process is there and no zombie.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("State:") && !status.contains("State:\tZ")
}

#[test]
fn all_end_when_their_terminal_is_gone() {
    let folder = Folder::new("signals-gone");
    let file = ring(&folder);
    let path = file.path().to_str().unwrap();
    let run = [&["run", "--json", "out.json"][..], &SLEEP].concat();
    let record = [&["record", "-o", "out.ttmem"][..], &SLEEP].concat();
    let cases = [
        (vec!["top"], "? help"),
        (vec!["serve", "--listen", "127.0.0.1:0"], "/metrics"),
        (vec!["follow", path], "ttmem-follow/1"),
        (run, "started"),
        (record, "started"),
    ];
    for (arguments, seen) in cases {
        let pid_file = folder.0.join("pid");
        let _ = fs::remove_file(&pid_file);
        let mut owner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_owns_a_terminal", "--nocapture"])
            .env("TTMEM_TEST_TERMINAL", &folder.0)
            .env("TTMEM_TEST_ARGUMENTS", arguments.join("\t"))
            .env("TTMEM_TEST_SEEN", seen)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let since = Instant::now();
        let pid = loop {
            let pid = fs::read_to_string(&pid_file).unwrap_or_default();
            if !pid.is_empty() {
                break pid;
            }
            assert!(since.elapsed() < LIMIT, "{arguments:?} never said {seen:?}");
            std::thread::sleep(Duration::from_millis(10));
        };
        owner.kill().unwrap();
        owner.wait().unwrap();
        let since = Instant::now();
        while runs(&pid) {
            if since.elapsed() > END {
                let _ = Command::new("kill").args(["-9", &pid]).status();
                panic!("{arguments:?} is still there {END:?} after its terminal has gone");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    assert!(fs::read_to_string(folder.0.join("out.json")).unwrap().contains("ttmem-report/1"));
}
