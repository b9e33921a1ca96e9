//! Names that hold anything, in the views that `names.rs` leaves out: the other formats of `export`, answers of `follow`, the screen of
//! `top`, and what commands print about files and programs.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::{Value, json};
use ttmem_recording::{ClockPoint, Meta, NativeFrame, Process, PythonFrame, Site, Sites, Status, Writer};
use ttmem_wire::{Event, HEADER_BYTES, Header, Memory, Record, Target, split_mark};

mod common;
use common::{Folder, Held, ring};

/// A formula, a way out of quotes and tags, a cleared screen, a title, text from right to left, and a line of its own.
const NAME: &str = "=1+1\"'<script>x</script>\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\u{9b}\n\rVerdict: fine.\u{2028}";

/// What no output has but in an escape.
fn hidden(text: &str) -> Option<char> {
    let is_hidden = |&c: &char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}'..='\u{202e}'));
    text.chars().find(is_hidden)
}

/// One allocation at a call site of that name, and a mark.
fn recording(folder: &Folder) -> std::path::PathBuf {
    let allocation = Event {
        memory: Some(Memory::Dram),
        target: Target::Device(0),
        address: 4096,
        size: 4096,
        holder: 1,
        site: 1,
        ..Event::default()
    };
    let events = split_mark(NAME.as_bytes()).chain([allocation]);
    let records: Vec<Record> =
        (0..).zip(events).map(|(at, event)| Event { sequence: at, ticks: 1000 * at, ..event }.encode()).collect();
    let python = PythonFrame { function: NAME.into(), file: NAME.into(), line: Some(3) };
    let native = NativeFrame {
        module: NAME.into(),
        build_id: "".into(),
        address: 16,
        symbol: Some(NAME.into()),
        line: Some((NAME.into(), 4)),
    };
    let site = Site { id: 1, python: vec![python], native: vec![native], tensor: None };
    let path = folder.0.join("run.ttmem");
    let mut writer = Writer::new(fs::File::create(&path).unwrap()).unwrap();
    let command = vec![NAME.into()];
    writer.meta(&Meta::Process(Process { pid: 42, command, ..Process::default() })).unwrap();
    writer.events(0, &records).unwrap();
    writer.meta(&Meta::Sites(Sites { process: 0, sites: vec![site] })).unwrap();
    let count = records.len() as u64;
    let point = |ticks| ClockPoint { ticks, realtime_ns: ticks };
    let clock = [point(0), point(1 << 40)];
    let status = Status { reported: count, drained: count, is_over: true, clock, ..Status::default() };
    writer.meta(&Meta::Status(status)).unwrap();
    writer.finish().unwrap();
    path
}

/// A ring of a process with that command line, in a file with that name; it lives as long as what is returned.
fn odd_ring(folder: &Folder) -> fs::File {
    let made = ring(folder);
    let event = Event { memory: Some(Memory::L1), target: Target::Device(3), size: 4096, ..Event::default() };
    Held::new(&made).push(event);
    let mut bytes = fs::read(made.path()).unwrap();
    let header = Header::decode(&bytes, bytes.len() as u64).unwrap();
    let header = Header { command: vec![NAME.into()], ring_id: 3, ..header }.encode();
    bytes[..HEADER_BYTES].copy_from_slice(&header);
    let path = folder.rings().join("1-\u{1b}[2J\n=\u{202e}.ring");
    fs::write(&path, bytes).unwrap();
    fs::remove_file(made.path()).unwrap();
    let life = fs::File::open(path).unwrap();
    life.lock().unwrap();
    life
}

fn ttmem(rings: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttmem"));
    // Only that a file is there matters: the loader ignores it with a message.
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    command.args(arguments).env("TTMEM_DIR", rings).env("TTMEM_LIBRARY", library).output().unwrap()
}

#[test]
fn other_formats_keep_a_name_in_its_place() {
    let folder = Folder::new("names-formats");
    let file = recording(&folder);
    let export = |format: &str| {
        let output = ttmem(&folder.rings(), &["export", "-f", format, file.to_str().unwrap()]);
        assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let speedscope = String::from_utf8(export("speedscope")).unwrap();
    assert_eq!(hidden(&speedscope), None, "{speedscope:?}");
    let frames = &serde_json::from_str::<Value>(&speedscope).unwrap()["shared"]["frames"];
    assert!(frames.to_string().contains("script"), "{frames}");
    let heaptrack = String::from_utf8(export("heaptrack")).unwrap();
    assert_eq!(hidden(&heaptrack), None, "{heaptrack:?}");
    let is_line = |line: &str| line.starts_with('#') || line.as_bytes().get(1) == Some(&b' ');
    assert!(heaptrack.contains("script") && heaptrack.lines().all(is_line), "{heaptrack}");
    // Binary, with lengths before their texts: no name ends before its end.
    for format in ["perfetto", "pytorch-snapshot"] {
        let bytes = export(format);
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(has(b"script>x</script"), "{format}");
    }
    assert!(export("pprof").starts_with(&[0x1f, 0x8b]));
}

#[test]
fn an_answer_of_follow_is_one_line() {
    let folder = Folder::new("names-follow");
    let file = ring(&folder);
    let mut held = Held::new(&file);
    split_mark(format!("\u{1f}region:begin:1:{NAME}").as_bytes()).for_each(|part| held.push(part));
    held.push(Event { memory: Some(Memory::L1), target: Target::Device(3), size: 4096, ..Event::default() });
    split_mark(NAME.as_bytes()).for_each(|part| held.push(part));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttmem"));
    let mut command = command.args(["follow", file.path().to_str().unwrap()]);
    command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut follow = command.spawn().unwrap();
    let (mut to, mut from) = (follow.stdin.take().unwrap(), BufReader::new(follow.stdout.take().unwrap()).lines());
    from.next().unwrap().unwrap();
    let mut ask = |question: Value| {
        writeln!(to, "{question}").unwrap();
        let answer = from.next().unwrap().unwrap();
        assert_eq!(hidden(&answer), None, "{answer:?}");
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let answer = ask(json!({"ask": "region", "name": NAME, "after": NAME, "tag": NAME}));
    assert_eq!((&answer["region"]["name"], &answer["tag"]), (&json!(NAME), &json!(NAME)), "{answer}");
    let answer = ask(json!({"ask": "report"}));
    assert_eq!(answer["report"]["processes"][0]["marks"][0]["name"], NAME, "{answer}");
    assert_eq!(ask(json!({"ask": NAME}))["answer"], "error");
    drop(to);
    follow.wait().unwrap();
}

#[test]
fn the_screen_of_top_obeys_no_name() {
    let folder = Folder::new("names-top");
    let life = odd_ring(&folder);
    let pair = native_pty_system().openpty(PtySize { rows: 30, cols: 200, ..PtySize::default() }).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_ttmem"));
    command.arg("top");
    command.env("TTMEM_DIR", folder.rings());
    command.env("TERM", "xterm");
    let mut top = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut output = pair.master.try_clone_reader().unwrap();
    let mut input = pair.master.take_writer().unwrap();
    let (mut seen, mut bytes, since) = (String::new(), [0; 4096], Instant::now());
    let mut is_asked = false;
    while let Ok(count @ 1..) = output.read(&mut bytes) {
        seen += &String::from_utf8_lossy(&bytes[..count]);
        if seen.contains("script") && !is_asked {
            input.write_all(b"q").unwrap();
            is_asked = true;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{seen:?}");
    }
    top.wait().unwrap();
    assert!(is_asked, "{seen:?}");
    assert!(!seen.contains(['\u{7}', '\u{9b}', '\u{202e}', '\u{2028}']) && !seen.contains("\u{1b}]0;"), "{seen:?}");
    drop(life);
}

#[test]
fn what_is_printed_about_files_and_programs_has_no_escape() {
    let folder = Folder::new("names-printed");
    drop(odd_ring(&folder));
    let odd = folder.0.join("\u{1b}[2J\u{202e}\na");
    fs::create_dir(&odd).unwrap();
    for (rings, arguments, code) in [
        (folder.rings(), &["ls"][..], Some(0)),
        (folder.rings(), &["clean"], Some(0)),
        (odd.clone(), &["ls"], Some(0)),
        (odd.clone(), &["top", "--once"], Some(0)),
        (odd, &["doctor"], None),
        (folder.rings(), &["run", "--", NAME], Some(127)),
        (folder.rings(), &["record", "-o", "/dev/null", "--", NAME], Some(127)),
        (folder.rings(), &["report", NAME], Some(2)),
        (folder.rings(), &["follow", NAME], Some(2)),
        (folder.rings(), &["explain", NAME], Some(2)),
    ] {
        let output = ttmem(&rings, arguments);
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        // What the doctor finds is the machine's.
        assert!(code.is_none() || output.status.code() == code, "{arguments:?}: {:?}, {said:?}", output.status);
        assert_eq!(hidden(&said), None, "{arguments:?}: {said:?}");
        assert!(!said.lines().any(|line| line.starts_with("Verdict: fine")), "{arguments:?}: {said}");
    }
}
