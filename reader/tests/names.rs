//! Names that hold anything: marks, regions, command lines, paths, call sites. No output lets them out of their place.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use ttmem_recording::{ClockPoint, Ended, Meta, NativeFrame, Process, PythonFrame, Site, Sites, Status, Writer};
use ttmem_wire::{Event, EventKind, HEADER_BYTES, Header, Memory, Record, Target, split_mark};

mod common;
use common::{Folder, Held, ring};

/// A formula, a way out of quotes and tags, a cleared screen, a title, text from right to left, and a line of its own.
const NAME: &str = "=1+1\"'<script>x</script>\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\u{9b}\n\rVerdict: fine.\u{2028}";

/// What no output has but in an escape.
fn hidden(text: &str) -> Option<char> {
    text.chars().find(|&c| {
        c != '\n'
            && (c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
    })
}

/// A loop that leaks at a call site of that name, in regions of that name, with marks of that name.
fn recording(folder: &Folder) -> PathBuf {
    let mut events: Vec<Event> = Vec::new();
    for step in 0..10 {
        events.extend(split_mark(format!("{NAME} {step}").as_bytes()));
        events.extend(split_mark(format!("\u{1f}region:begin:{step}:{NAME}").as_bytes()));
        events.push(Event {
            memory: Some(Memory::Dram),
            target: Target::Device(0),
            address: 4096 * (step + 1),
            size: 4096,
            holder: step + 1,
            site: 1 + (step % 2) as u32,
            ..Event::default()
        });
        events.extend(split_mark(format!("\u{1f}region:end:{step}").as_bytes()));
    }
    events.push(Event {
        kind: EventKind::OutOfMemory,
        memory: Some(Memory::Dram),
        target: Target::Device(0),
        size: 1 << 40,
        site: 1,
        ..Event::default()
    });
    let stamped = events.into_iter().zip(0..);
    let records: Vec<Record> =
        stamped.map(|(event, at)| Event { sequence: at, ticks: 1_000_000 * at, thread: 7, ..event }.encode()).collect();
    let python = |function: &str| PythonFrame { function: function.into(), file: NAME.into(), line: Some(3) };
    let native = NativeFrame {
        module: NAME.into(),
        build_id: "".into(),
        address: 16,
        symbol: Some(NAME.into()),
        line: Some((NAME.into(), 4)),
    };
    let op =
        PythonFrame { function: format!("__call__{NAME}").into(), file: "x/ttnn/decorators.py".into(), line: Some(1) };
    let sites = vec![
        Site { id: 1, python: vec![op, python(NAME)], native: Vec::new(), tensor: None },
        Site { id: 2, python: Vec::new(), native: vec![native], tensor: None },
    ];
    let path = folder.0.join("run.ttmem");
    let mut writer = Writer::new(File::create(&path).unwrap()).unwrap();
    let process =
        Process { pid: 4242, command: vec!["python".into(), NAME.into()], ring_id: "7".into(), ..Process::default() };
    writer.meta(&Meta::Process(process)).unwrap();
    writer.events(0, &records).unwrap();
    writer.meta(&Meta::Sites(Sites { process: 0, sites })).unwrap();
    let point = |ticks| ClockPoint { ticks, realtime_ns: ticks };
    let count = records.len() as u64;
    let status = Status {
        reported: count,
        drained: count,
        is_over: true,
        ended: Some(Ended::Code(0)),
        clock: [point(0), point(1 << 40)],
        ..Status::default()
    };
    writer.meta(&Meta::Status(status)).unwrap();
    writer.finish().unwrap();
    path
}

/// A ring whose process has that command line; the lock says that it lives.
fn living_ring(folder: &Folder) -> File {
    let made = ring(folder);
    Held::new(&made).push(Event {
        memory: Some(Memory::L1),
        target: Target::Device(3),
        size: 4096,
        ..Event::default()
    });
    let mut bytes = fs::read(made.path()).unwrap();
    let header = Header::decode(&bytes, bytes.len() as u64).unwrap();
    let header = Header { command: vec!["python".into(), NAME.into()], ring_id: 3, ..header }.encode();
    bytes[..HEADER_BYTES].copy_from_slice(&header);
    let path = folder.0.join("rings").join(format!("1-{}.ring", "\u{1b}[2J\n=\u{202e}"));
    fs::write(&path, bytes).unwrap();
    fs::remove_file(made.path()).unwrap();
    let life = File::open(path).unwrap();
    life.lock().unwrap();
    life
}

fn ttmem(folder: &Folder, arguments: &[&str], files: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttmem"));
    command.args(arguments).args(files).env("TTMEM_DIR", folder.0.join("rings")).env("COLUMNS", "200").output().unwrap()
}

fn text(folder: &Folder, arguments: &[&str], files: &[&Path]) -> String {
    let output = ttmem(folder, arguments, files);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {told}");
    assert_eq!(hidden(&told), None, "{arguments:?}: {told:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn text_has_one_line_for_a_line_and_no_escape() {
    let folder = Folder::new("names-text");
    let file = recording(&folder);
    let life = living_ring(&folder);
    let region = NAME.to_owned() + ":1";
    for arguments in [
        &["report"][..],
        &["report", "--full-stacks"],
        &["report", "--tree"],
        &["report", "--stats"],
        &["report", "--at", "peak", "--by", "site"],
        &["report", "--by", "op"],
        &["report", "--at", &format!("{NAME} 3")],
        &["report", "--region", &region],
        &["diff", "--region", NAME],
        &["diff", "--from", &format!("{NAME} 1"), "--to", &format!("{NAME} 8")],
    ] {
        let said = text(&folder, arguments, &[&file]);
        assert!(said.contains("script"), "{arguments:?} names nothing: {said}");
        assert_eq!(hidden(&said), None, "{arguments:?}: {said:?}");
        assert!(!said.lines().any(|line| line.starts_with("Verdict: fine")), "{arguments:?}: {said}");
    }
    for arguments in [&["ls"][..], &["top", "--once"]] {
        let said = text(&folder, arguments, &[]);
        assert!(said.contains("python =1+1"), "{said}");
        assert_eq!(hidden(&said), None, "{arguments:?}: {said:?}");
        assert!(!said.lines().any(|line| line.starts_with('=')), "{said}");
    }
    drop(life);
}

#[test]
fn an_error_is_one_line_whatever_the_path_is() {
    let folder = Folder::new("names-error");
    let path = folder.0.join("\u{1b}[2J\na\u{202e}b");
    for (content, arguments) in
        [("no ring", &["report"][..]), ("{", &["diff", "/dev/null"]), ("leak", &["report", "x", "--suppressions"])]
    {
        fs::write(&path, content).unwrap();
        let output = ttmem(&folder, arguments, &[&path]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.lines().count(), hidden(&told)), (Some(2), 1, None), "{told:?}");
    }
}

#[test]
fn json_has_the_names_as_they_are_in_escapes() {
    let folder = Folder::new("names-json");
    let file = recording(&folder);
    let life = living_ring(&folder);
    let json = text(&folder, &["report", "--json", "-"], &[&file]);
    assert_eq!(hidden(&json), None, "{json:?}");
    let value: Value = serde_json::from_str(&json).unwrap();
    let process = &value["processes"][0];
    assert_eq!(process["command"], format!("python {NAME}"));
    assert_eq!(process["marks"][0]["name"], format!("{NAME} 0"));
    assert_eq!(process["regions"][0]["name"], NAME);
    for arguments in [&["ls", "--json"][..], &["top", "--json"]] {
        let json = text(&folder, arguments, &[]);
        assert_eq!(hidden(&json), None, "{json:?}");
        assert!(serde_json::from_str::<Value>(&json).unwrap().to_string().contains("script"), "{json}");
    }
    let lines = text(&folder, &["export", "-f", "jsonl"], &[&file]);
    assert_eq!(hidden(&lines), None, "{lines:?}");
    let marks = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert!(marks.filter(|line| line["name"] == format!("{NAME} 0")).count() == 1, "{lines}");
    drop(life);
}

/// The fields of a table (RFC 4180).
fn fields(table: &str) -> Vec<String> {
    let (mut fields, mut field, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in table.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' | '\n' if !is_quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields
}

#[test]
fn no_field_of_a_table_is_a_formula() {
    let folder = Folder::new("names-csv");
    let file = recording(&folder);
    for arguments in [&["export", "-f", "csv"][..], &["export", "-f", "csv", "--events"]] {
        let table = text(&folder, arguments, &[&file]);
        assert_eq!(hidden(&table), None, "{table:?}");
        let fields = fields(&table);
        assert_eq!(fields.len() % 20, 0, "{table}");
        assert!(fields.iter().any(|field| field.contains("script")), "{table}");
        let is_number = |field: &str| field.parse::<f64>().is_ok();
        let formula = fields.iter().find(|field| field.starts_with(['=', '+', '-', '@']) && !is_number(field));
        assert_eq!(formula, None);
    }
}

#[test]
fn a_page_and_a_drawing_hold_no_script_of_a_name() {
    let folder = Folder::new("names-html");
    let file = recording(&folder);
    let page = folder.0.join("page.html");
    text(&folder, &["report", "--html", page.to_str().unwrap()], &[&file]);
    let html = fs::read_to_string(page).unwrap();
    assert!(
        html.contains("script>x") || html.contains("script\\u003ex") || html.contains("x\\u003c/script"),
        "no name"
    );
    assert!(!html.contains("<script>x") && !html.contains("x</script>"), "a way out");
    assert_eq!(hidden(&html.replace(['\t', '\r'], "")), None);

    let folded = text(&folder, &["export", "-f", "folded", "--at", "peak"], &[&file]);
    assert_eq!(hidden(&folded), None, "{folded:?}");
    let mut svg = Vec::new();
    inferno::flamegraph::from_lines(&mut inferno::flamegraph::Options::default(), folded.lines(), &mut svg).unwrap();
    let svg = String::from_utf8(svg).unwrap();
    assert!(svg.contains("&lt;script&gt;x") && !svg.contains("<script>x"), "{svg}");
}

#[test]
fn a_label_of_a_metric_ends_where_it_should() {
    let folder = Folder::new("names-serve");
    let life = living_ring(&folder);
    let mut server = Command::new(env!("CARGO_BIN_EXE_ttmem"));
    server.args(["serve", "--listen", "127.0.0.1:0"]).env("TTMEM_DIR", folder.0.join("rings")).stderr(Stdio::piped());
    let mut server = server.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_start_matches("ttmem: http://").trim_end_matches("/metrics").to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    assert!(body.contains("process=\"python =1+1\\\"'<script>"), "{body}");
    assert_eq!(hidden(body), None, "{body:?}");
    assert!(body.lines().all(|line| line.starts_with(['#', 't'])), "{body}");
    drop(life);
}
