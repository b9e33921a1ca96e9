//! `ttmem serve` as Prometheus meets it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use ttmem_wire::{Event, EventKind, Fact, Memory, Target, split_mark};

mod common;
use common::{Folder, Held, ring, skip};

struct Server(Child, String);

impl Server {
    fn start(folder: &Folder) -> Self {
        Self::start_at(folder, "127.0.0.1:0")
    }

    fn start_at(folder: &Folder, listen: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ttmem"))
            .args(["serve", "--listen", listen])
            .env("TTMEM_DIR", folder.0.join("rings"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("ttmem: http://").and_then(|rest| rest.strip_suffix("/metrics"));
        Self(child, address.unwrap_or_else(|| panic!("{line}")).to_owned())
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.1).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn prometheus_gets_the_numbers_by_device_memory_process_and_rank() {
    let folder = Folder::new("serve");
    let file = ring(&folder);
    let mut held = Held::new(&file);
    let event = Event { memory: Some(Memory::L1Small), target: Target::Device(3), size: 4096, ..Event::default() };
    held.push(Event { kind: EventKind::Capacity, size: 1024, extra: 64, address: 4096, ..event });
    held.push(Event { address: 4096, size_per_bank: Some(64), ..event });
    held.push(Event { address: 8192, size_per_bank: Some(64), ..event });
    held.push(Event { kind: EventKind::Free, address: 8192, ..event });
    let server = Server::start(&folder);
    let answer = server.ask("GET /metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("application/openmetrics-text"), "{head}");
    let value = |name: &str| {
        let start = format!("{name}{{pid=\"{}\",process=", std::process::id());
        let line = body.lines().find(|line| {
            line.starts_with(&start) && (!line.contains("device=") || line.contains("device=\"3\",memory=\"L1_SMALL\""))
        });
        line.unwrap_or_else(|| panic!("{name}: {body}")).rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(value("ttmem_live_bytes"), "4096");
    assert_eq!(value("ttmem_peak_bytes"), "8192");
    assert_eq!(value("ttmem_live_per_bank_bytes"), "64");
    assert_eq!(value("ttmem_allocations_total"), "2");
    assert_eq!(value("ttmem_frees_total"), "1");
    assert_eq!(value("ttmem_capacity_bytes"), "65536");
    assert_eq!(value("ttmem_free_bytes"), "61440");
    assert_eq!(value("ttmem_largest_free_block_bytes"), "61440");
    assert_eq!(value("ttmem_events_total"), "4");
    assert_eq!(value("ttmem_exact"), "1");
    assert!(body.contains("ttmem_processes 1\n") && body.ends_with("# EOF\n"), "{body}");
    held.push(Event { address: 1 << 20, size: 1 << 30, ..event });
    assert!(server.ask("GET /metrics?x=1").contains("} 1073745920\n"), "a scrape sees what is there then");
    assert!(server.ask("POST /metrics").starts_with("HTTP/1.1 405"));
    assert!(server.ask("GET /../etc/passwd").starts_with("HTTP/1.1 404"));
    assert!(server.ask("GET /").contains("/metrics"));
    check_with_promtool(body);
}

#[test]
fn a_command_line_cannot_break_out_of_its_label() {
    let folder = Folder::new("serve-hostile");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_holds", "\"} 1\n# x\\"])
        .env("TTMEM_TEST_HOLD", &folder.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server::start(&folder);
    let since = std::time::Instant::now();
    let answer = loop {
        let answer = server.ask("GET /metrics");
        if answer.contains("ttmem_live_bytes{") {
            break answer;
        }
        assert!(since.elapsed().as_secs() < 30, "{answer}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    drop(child.stdin.take());
    child.wait().unwrap();
    let line = answer.lines().find(|line| line.starts_with("ttmem_live_bytes{")).unwrap();
    assert!(line.ends_with("\\\"} 1\\\\n# x\\\\\",rank=\"5\",device=\"3\",memory=\"L1_SMALL\"} 4096"), "{line}");
    check_with_promtool(answer.split_once("\r\n\r\n").unwrap().1);
}

/// Not a test of its own: a program that holds memory until its input ends.
#[test]
fn child_that_holds() {
    let Some(folder) = std::env::var_os("TTMEM_TEST_HOLD") else { return };
    let folder = std::mem::ManuallyDrop::new(Folder(folder.into()));
    let file = ring(&folder);
    let mut held = Held::new(&file);
    split_mark(Fact::Rank(5).mark().as_bytes()).for_each(|part| held.push(part));
    held.push(Event { memory: Some(Memory::L1Small), target: Target::Device(3), size: 4096, ..Event::default() });
    let _ = std::io::stdin().read(&mut [0; 1]);
}

/// promtool reads the text format that came before OpenMetrics. There a counter's own lines have the `_total` too.
fn check_with_promtool(body: &str) {
    let mut body = body.to_owned();
    let types: Vec<String> = body.lines().filter(|line| line.ends_with(" counter")).map(str::to_owned).collect();
    assert_eq!(types.len(), 5);
    for name in types.iter().map(|line| line.split(' ').nth(2).unwrap()) {
        body = body.replace(&format!("# HELP {name} "), &format!("# HELP {name}_total "));
        body = body.replace(&format!("# TYPE {name} "), &format!("# TYPE {name}_total "));
    }
    let Ok(mut child) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        return skip("no promtool on PATH");
    };
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{body}");
}

#[test]
fn it_waits_at_this_machine_alone_and_ends_when_told() {
    let folder = Folder::new("serve-end");
    let mut server = Server::start(&folder);
    assert!(server.1.starts_with("127.0.0.1:"));
    assert!(server.ask("GET /metrics").contains("ttmem_processes 0"));
    let taken = Command::new(env!("CARGO_BIN_EXE_ttmem")).args(["serve", "--listen", &server.1]).output().unwrap();
    assert_eq!(taken.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&taken.stderr).lines().count(), 1);
    let refused = Command::new(env!("CARGO_BIN_EXE_ttmem")).args(["serve", "--listen", "9470"]).output().unwrap();
    let line = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        line.starts_with("ttmem: --listen 9470: ") && line.ends_with("; write HOST:PORT, as localhost:9470\n"),
        "{line}"
    );
    Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().unwrap();
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_name_is_an_address_too() {
    let folder = Folder::new("serve-name");
    let server = Server::start_at(&folder, "localhost:0");
    let is_local = |address: &str| address.starts_with("127.0.0.1:") || address.starts_with("[::1]:");
    assert!(is_local(&server.1), "{}", server.1);
    assert!(server.ask("GET /metrics").contains("ttmem_processes 0"));
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let folder = Folder::new("serve-dashboard");
    let file = ring(&folder);
    let mut held = Held::new(&file);
    let event = Event { memory: Some(Memory::L1), size: 64, size_per_bank: Some(64), ..Event::default() };
    held.push(Event { target: Target::Device(0), ..event });
    let told = Server::start(&folder).ask("GET /metrics");
    let dashboard = include_str!("../../contrib/grafana-dashboard.json");
    let parsed: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let line = told.lines().find(|line| line.starts_with("ttmem_live_per_bank_bytes{")).unwrap();
    // The label `instance` is Prometheus's own.
    let has_label = |name: &str| name == "instance" || line.contains(&format!("{name}=\""));
    let expressions: Vec<&str> = parsed["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    for expression in expressions {
        let between = |open: &'static str, close: char| {
            expression.split(open).skip(1).filter_map(move |rest| rest.split_once(close)).map(|(inner, _)| inner)
        };
        let labels = between("{", '}').chain(between(" by (", ')')).flat_map(|labels| labels.split(','));
        let unknown: Vec<&str> =
            labels.map(|label| label.split(['=', '!']).next().unwrap()).filter(|name| !has_label(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {expression}");
    }
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let asked: Vec<&str> = dashboard
        .match_indices("ttmem_")
        .map(|(at, _)| dashboard[at..].split(|c| !is_name(c)).next().unwrap())
        .collect();
    assert!(asked.len() > 10);
    for name in asked {
        let is_told =
            told.lines().any(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")));
        assert!(is_told, "{name}\n{told}");
    }
}
