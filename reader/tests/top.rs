//! `ttmem top`: pictures of it through a real terminal, its text and its JSON.
//!
//! The rings are made in this process, so it is the process that holds memory.

use std::{
    fs,
    io::Read,
    path::PathBuf,
    process::{Command, Output},
    sync::Arc,
    time::{Duration, Instant},
};

use portable_pty::PtySize;
use ttmem_reader::Session;
use ttmem_ring::{RingFile, RingReader};
use ttmem_wire::{Event, EventKind, Fact, Memory, Pool, Target, split_mark};

mod common;
#[path = "top/screen.rs"]
mod screen;
use common::{Folder, Held, ring};
use screen::{LIMIT, Screen};

fn tensor(memory: Memory, target: Target, address: u64, size: u64, a_bank: u64) -> Event {
    Event {
        memory: Some(memory),
        target,
        address,
        size,
        size_per_bank: Some(a_bank),
        holder: address,
        ..Event::default()
    }
}

/// 96 MiB of DRAM on each of 32 devices, half of L1, circular buffers on device 0.
fn hold(ring: &RingFile) -> Held<'_> {
    let mut held = Held::new(ring);
    let pool = ring.pools().enter(&Pool { allocator: 1, chips: (0..32).collect() }).unwrap();
    for at in 0..8 {
        held.push(tensor(Memory::Dram, Target::Pool(pool), 0x10_0000 * (at + 1), 12 << 20, 1 << 20));
    }
    held.push(tensor(Memory::L1, Target::Pool(pool), 0x8_0000, 48 << 20, 768 << 10));
    let place = tensor(Memory::CircularBuffer, Target::Device(0), 0x1_8000, 384 << 10, 0);
    held.push(Event { kind: EventKind::CbAllocate, extra: 64, ..place });
    held
}

fn ttmem(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ttmem")).args(arguments).env("TTMEM_DIR", folder.0.join("rings")).output().unwrap()
}

#[test]
fn text_and_json_tell_what_is_held_now() {
    let folder = Folder::new("top-once");
    let nothing = ttmem(&folder, &["top", "--once"]);
    assert!(nothing.status.success());
    assert_eq!(String::from_utf8_lossy(&nothing.stdout), "No process that runs has reported an event.\n");
    let ring = ring(&folder);
    hold(&ring);
    let text = String::from_utf8(ttmem(&folder, &["top", "--once"]).stdout).unwrap();
    for line in [
        "devices 0-31, each  DRAM             96.0 MiB           8    8.0 MiB    96.0 MiB",
        "device 0            CB              384.0 KiB           1  384.0 KiB   384.0 KiB",
        "      3.0 GiB         256  12.0 MiB DRAM",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let own = ttmem(&folder, &["top", "--once", "--pid", &std::process::id().to_string()]);
    assert_eq!(String::from_utf8_lossy(&own.stdout), text);
    let missing = ttmem(&folder, &["top", "--once", "--pid", "no-such.py"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with("ttmem: no process \"no-such.py\"; there are "));
    let json: serde_json::Value = serde_json::from_slice(&ttmem(&folder, &["top", "--json"]).stdout).unwrap();
    assert_eq!(json["schema"], "ttmem-top/1");
    assert_eq!(json["devices"].as_array().unwrap().len(), 32);
    assert_eq!(json["devices"][31]["memory"][0]["live_bytes"], 96 << 20);
    assert_eq!(json["processes"][0]["pid"], std::process::id());
    assert_eq!(json["processes"][0]["is_exact"], true);
    // Where there is no terminal there is no picture.
    let output = ttmem(&folder, &["top"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "ttmem: top: this is no terminal; use --once or --json\n");
}

#[test]
fn what_another_reader_took_is_known_by_its_snapshot_and_without_one_said_to_be_missing() {
    let folder = Folder::new("top-late");
    let ring = ring(&folder);
    let mut held = hold(&ring);
    let mut other = Session::draining(RingReader::open(ring.path()).unwrap(), false).unwrap();
    other.advance();
    let look = || -> serde_json::Value { serde_json::from_slice(&ttmem(&folder, &["top", "--json"]).stdout).unwrap() };
    let exact = look();
    assert_eq!(exact["processes"][0]["is_exact"], true);
    assert_eq!(exact["devices"][31]["memory"][0]["live_bytes"], 96 << 20);
    // Round the ring, which has 16,384 slots: those of the first buffers are written over.
    for step in 0..17_000 {
        let event = tensor(Memory::Dram, Target::Device(0), 0x7000_0000, 4096, 512);
        held.push(Event { kind: if step % 2 == 0 { EventKind::Allocate } else { EventKind::Free }, ..event });
        if step % 512 == 0 {
            other.advance();
        }
    }
    let late = look();
    assert_eq!(late["processes"][0]["is_exact"], true);
    assert_eq!(late["devices"][31]["memory"][0]["live_bytes"], 96 << 20);
    fs::remove_file(ttmem_ring::snapshot_path(ring.path())).unwrap();
    let late = look();
    assert_eq!(late["processes"][0]["is_exact"], false);
    assert_eq!(late["processes"][0]["events"], 17_010);
    let text = String::from_utf8(ttmem(&folder, &["top", "--once"]).stdout).unwrap();
    assert!(text.contains("another reader took") && text.contains("of its events"), "{text}");
    assert!(text.lines().any(|line| line.contains('~')), "{text}");
}

#[test]
fn the_picture_follows_what_happens_and_keys_change_it() {
    let folder = Folder::new("top-keys");
    let file = ring(&folder);
    let mut held = hold(&file);
    let mut screen = Screen::new(&folder, (30, 100), &[]);
    let first = screen.until("bars", |text| text.contains("96.0 MiB") && text.contains("LIVE ALLOCATIONS"));
    if std::env::var_os("TTMEM_SHOW").is_some() {
        eprintln!("{first}");
    }
    assert!(first.contains("1 process, 32 devices  DRAM 3.0 GiB  L1 1.5 GiB"), "{first}");
    let row = first.lines().find(|line| line.starts_with(" 1-31")).unwrap_or_else(|| panic!("{first}"));
    // 768 of 1,536 KiB from the right, and on device 0 circular buffers from the left.
    assert!(row.contains('·') && row.contains('█') && !row.contains('▒'), "{first}");
    assert!(first.lines().any(|line| line.starts_with(" 0 ") && line.contains('▒')), "{first}");
    assert!(first.contains("3.0 GiB       256 x   12.0 MiB DRAM"), "{first}");
    held.push(tensor(Memory::Dram, Target::Device(5), 0x9000_0000, 3 << 30, 0));
    screen
        .until("a new buffer", |text| text.contains("DRAM 6.0 GiB") && text.contains("3.0 GiB         1 x    3.0 GiB"));
    // Frozen: what comes is not shown, and afterwards all of it is.
    screen.press(" ");
    screen.until("frozen", |text| text.contains("FROZEN"));
    held.push(tensor(Memory::Dram, Target::Device(6), 0x9000_0000, 5 << 30, 0));
    std::thread::sleep(Duration::from_millis(400));
    assert!(screen.text().contains("DRAM 6.0 GiB"));
    screen.press(" ");
    screen.until("thawed", |text| text.contains("DRAM 11.0 GiB") && !text.contains("FROZEN"));
    screen.press("?");
    screen.until("help", |text| text.contains("HELP") && text.contains("freeze the picture"));
    screen.press("x");
    screen.until("no help", |text| !text.contains("HELP"));
    screen.press("s");
    screen.until("sorted", |text| text.contains("EVENTS*"));
    screen.press("m");
    screen.until("memory", |text| text.contains("HISTORY of L1"));
    screen.press("g");
    screen.until("a row a device", |text| text.contains("of 32 rows"));
    let pid = std::process::id().to_string();
    screen.press("/no such program\r");
    screen.until("filtered", |text| {
        text.contains("/no such program   (Esc: all)") && !text.contains(&format!("{pid:>8} "))
    });
    screen.press("\u{1b}");
    // Another process's ring, which here is one more of this process.
    let second = ring(&folder);
    Held::new(&second).push(tensor(Memory::Dram, Target::Device(40), 0, 1 << 20, 0));
    screen.until("a second process", |text| text.contains("2 processes, 33 devices"));
    drop(second);
    screen.press("q");
    assert_eq!(screen.end(), 0);
}

#[test]
fn small_and_plain_terminals_are_served_and_every_end_gives_the_terminal_back() {
    let folder = Folder::new("top-plain");
    let ring = ring(&folder);
    hold(&ring);
    let screen = Screen::new(&folder, (12, 44), &[("NO_COLOR", "1"), ("LC_ALL", "C")]);
    let text = screen.until("a narrow one", |text| text.contains("96.0 MiB") && text.contains("DRAM ###"));
    assert!(text.lines().all(|line| line.chars().count() <= 44) && text.is_ascii(), "{text}");
    let raw = String::from_utf8_lossy(&screen.raw.lock().unwrap()).into_owned();
    let colours = ["\u{1b}[31", "\u{1b}[32", "\u{1b}[35", "\u{1b}[36", "38;5;", "38;2;"];
    assert!(!colours.iter().any(|colour| raw.contains(colour)), "NO_COLOR: {raw:?}");
    screen.master.resize(PtySize { rows: 3, cols: 15, ..PtySize::default() }).unwrap();
    screen.until("too small", |text| text.contains("ttmem top: a"));
    let pid = screen.child.process_id().unwrap();
    Command::new("kill").args(["-TERM", &pid.to_string()]).status().unwrap();
    assert_eq!(screen.end(), 0);
    let mut screen = Screen::new(&folder, (24, 80), &[]);
    screen.until("a usual one", |text| text.contains(&std::process::id().to_string()) && text.contains("x   12.0 MiB"));
    let raw = String::from_utf8_lossy(&screen.raw.lock().unwrap()).into_owned();
    assert!(!raw.contains("38;2;"), "the sixteen colours that every terminal has");
    // A click on the process looks at it alone.
    let row = 1 + screen.text().lines().position(|line| line.contains(&std::process::id().to_string())).unwrap();
    screen.press(&format!("\u{1b}[<0;5;{row}M\u{1b}[<0;5;{row}m"));
    screen.until("alone", |text| text.contains(&format!("LIVE ALLOCATIONS of pid {}", std::process::id())));
    screen.press("\u{3}");
    assert_eq!(screen.end(), 0);
}

#[test]
fn enter_opens_a_process_an_allocation_and_a_device() {
    let folder = Folder::new("top-open");
    let ring = ring(&folder);
    let mut held = hold(&ring);
    let bank = |memory, address, size, banks| Event {
        kind: EventKind::Capacity,
        memory: Some(memory),
        target: Target::Device(0),
        address,
        size,
        extra: banks,
        ..Event::default()
    };
    held.push(bank(Memory::L1, 0x1_8000, 1536 << 10, 64));
    held.push(bank(Memory::Dram, 0x10_0000, 12 << 20, 12));
    let mut screen = Screen::new(&folder, (40, 110), &[]);
    let all = screen.until("shares of capacities", |text| text.contains("LIVE ALLOCATIONS") && text.contains("66%"));
    // 8 of 12 MiB a bank of DRAM; 384 and 768 of 1,536 KiB of L1.
    assert!(all.lines().any(|line| line.starts_with(" 0 ") && line.contains("66%   48.0 MiB") && line.contains("75%")));
    screen.press("\r");
    screen.until("a process", |text| text.contains("alone") && text.contains("Clean so far:"));
    screen.press("\u{1b}");
    screen.until("all", |text| !text.contains("alone"));
    screen.press("\t\r");
    screen.until("allocations", |text| {
        text.contains("256 ALLOCATIONS of pid") && text.contains("devices 0-31") && text.contains("stack     not known")
    });
    screen.press("\r");
    screen.until("closed", |text| text.contains("LIVE ALLOCATIONS"));
    let row = 1 + screen.text().lines().position(|line| line.starts_with(" 0 ")).unwrap();
    screen.press(&format!("\u{1b}[<0;5;{row}M\u{1b}[<0;5;{row}m"));
    let device = screen.until("a device", |text| text.contains("L1 of core"));
    assert!(
        device.contains("largest block 4.0 MiB per bank") && device.contains("0x18000    0x78000  384.0 KiB"),
        "{device}"
    );
    screen.press("q");
    assert_eq!(screen.end(), 0);
}

#[test]
fn programs_come_and_go() {
    let folder = Folder::new("top-goes");
    let exe = std::env::current_exe().unwrap();
    let mut child = Command::new(exe)
        .args(["--exact", "child_that_holds_for_a_while", "--nocapture"])
        .env("TTMEM_TEST_HOLD", &folder.0)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut screen = Screen::new(&folder, (24, 100), &[]);
    let row = format!("{:>8}   17", child.id());
    screen.until("it comes, with its rank", |text| text.contains("1 process, 32 devices") && text.contains(&row));
    // It ends while it is looked at.
    screen.press("\r");
    screen.until("a process", |text| text.contains("alone"));
    drop(child.stdin.take());
    child.wait().unwrap();
    screen.until("it goes", |text| text.contains("0 processes") && text.contains("ttmem run -- python model.py"));
    screen.press("q");
    assert_eq!(screen.end(), 0);
}

/// Not a test of its own: a program that holds memory until its input ends.
#[test]
fn child_that_holds_for_a_while() {
    let Some(folder) = std::env::var_os("TTMEM_TEST_HOLD") else { return };
    let folder = std::mem::ManuallyDrop::new(Folder(PathBuf::from(folder)));
    let ring = ring(&folder);
    let mut held = hold(&ring);
    split_mark(Fact::Rank(17).mark().as_bytes()).for_each(|part| held.push(part));
    let _ = std::io::stdin().read(&mut [0; 1]);
}

/// Not a test of its own: a program on 32 devices with 3,000 tensors on each, and 20,000 events a second, which another
/// reader drains. To measure what looking at it costs.
#[test]
fn child_that_works_for_a_while() {
    let Some(folder) = std::env::var_os("TTMEM_TEST_HOLD") else { return };
    let folder = std::mem::ManuallyDrop::new(Folder(PathBuf::from(folder)));
    let ring = ring(&folder);
    let mut held = hold(&ring);
    let on_all =
        |at: u64, size: u64| tensor(Memory::Dram, Target::Pool(0), 0x100_0000 + at * 0x1_0000, size, size / 12);
    (0..3000).for_each(|at| held.push(on_all(at, 12 * (1 + at % 50) * 1024)));
    let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0; 1]);
        told.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let mut other = RingReader::open(ring.path()).unwrap();
    other.lock_for_draining().unwrap();
    let mut taken = Vec::new();
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        for at in 0..100 {
            let event = on_all(5000 + at, 4096 * 12);
            held.push(event);
            held.push(Event { kind: EventKind::Free, ..event });
        }
        taken.clear();
        other.read(&mut taken, 1000);
        other.release();
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process is there and no zombie.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.contains("State:") && !status.contains("State:\tZ")
}

#[test]
fn it_ends_when_its_terminal_hangs_up_though_the_signal_is_ignored() {
    let folder = Folder::new("top-hangup");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_owns_a_terminal", "--nocapture"])
        .env("TTMEM_TEST_TERMINAL", &folder.0)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let since = Instant::now();
    let pid = loop {
        let pid = fs::read_to_string(folder.0.join("drawn")).unwrap_or_default();
        if !pid.is_empty() {
            break pid;
        }
        assert!(since.elapsed() < LIMIT, "top never drew");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(runs(&pid));
    owner.kill().unwrap();
    owner.wait().unwrap();
    let since = Instant::now();
    while runs(&pid) {
        if since.elapsed() > Duration::from_secs(5) {
            let _ = Command::new("kill").args(["-9", &pid]).status();
            panic!("top is still there 5 s after its terminal has gone");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Not a test of its own: the owner of a terminal in which `ttmem top` runs, until it is killed.
#[test]
fn child_that_owns_a_terminal() {
    let Some(folder) = std::env::var_os("TTMEM_TEST_TERMINAL") else { return };
    let folder = std::mem::ManuallyDrop::new(Folder(PathBuf::from(folder)));
    let screen = Screen::started(&folder, (24, 80), &[], "trap '' HUP; exec \"$0\" top");
    screen.until("it is drawn", |text| text.contains("0 processes"));
    let pid = screen.child.process_id().unwrap().to_string();
    fs::write(folder.0.join("unfinished"), pid).unwrap();
    fs::rename(folder.0.join("unfinished"), folder.0.join("drawn")).unwrap();
    std::thread::sleep(LIMIT);
}
