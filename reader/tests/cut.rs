//! `ttmem report --mark` and `--region`: one moment, or one stretch, of a recording.

use std::{path::Path, process::Command};

mod common;
use common::{Folder, Story, training};
use ttmem_wire::Memory;

/// What `ttmem report` said, and its exit code.
fn report(recording: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ttmem"));
    let output = command.arg("report").args(arguments).arg(recording).env("NO_COLOR", "1").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout) + &text(&output.stderr), output.status.code())
}

#[test]
fn a_mark_alone() {
    let folder = Folder::new("cut-mark");
    let recording = folder.0.join("run.ttmem");
    training(3, 4).write(&recording, &["python", "train.py"], 8);
    let (text, code) = report(&recording, &["--mark", "epoch 2"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("At mark \"epoch 2\", peaks and counts until then"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    // Two of the three that the run forgets, and no verdict on its end.
    assert_eq!(text.matches("576.0 KiB  DRAM     at 0x80").count(), 0, "24 larger ones are before them: {text}");
    assert!(text.contains("Live then, largest first") && !text.contains("Leftover"), "{text}");
    let (json, _) = report(&recording, &["--mark", "epoch 2", "--json", "-"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let marks = json["processes"][0]["marks"].as_array().unwrap();
    assert_eq!((marks.len(), marks[0]["name"].as_str()), (1, Some("epoch 2")));
    let live = marks[0]["live"].as_array().unwrap().iter();
    let forgotten = live.filter(|region| region["device_id"] == 0 && region["size"] == 12 * 0xC000);
    assert_eq!(forgotten.count(), 2);
}

fn decoding(steps: u64) -> Story {
    let mut story = Story::default();
    story.tensor(Memory::Dram, 0x10_0000, 0x1000, 12);
    for step in 0..steps {
        story.mark(&format!("\u{1f}region:begin:p{step}:decode"));
        let free = story.tensor(Memory::Dram, 0x20_0000, 0x8000, 12);
        story.tensor(Memory::L1, 0x30_0000 + step * 0x1000, 0x400, 64);
        story.tell(free);
        story.mark(&format!("\u{1f}region:end:p{step}"));
        story.mark(&format!("\u{1f}region:begin:q{step}:prefill"));
        story.mark(&format!("\u{1f}region:end:q{step}"));
    }
    story
}

#[test]
fn a_region_alone() {
    let folder = Folder::new("cut-region");
    let recording = folder.0.join("run.ttmem");
    decoding(3).write(&recording, &["python", "serve.py"], 2);
    let (text, code) = report(&recording, &["--region", "decode"]);
    assert_eq!(code, Some(0), "{text}");
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "Region \"decode\", 3 times",
        "DRAM 48.0 KiB 432.0 KiB 384.0 KiB 48.0 KiB 0 B",
        "L1 128.0 KiB 192.0 KiB 64.0 KiB 192.0 KiB 64.0 KiB",
        "Left, largest first",
        "64.0 KiB L1 at 0x302000 devices 0-1, each",
    ] {
        assert!(squeezed.contains(expected), "{expected}: {text}");
    }
    assert_eq!(text.matches("L1       at 0x30").count(), 3, "{text}");
    let (second, _) = report(&recording, &["--region", "decode:2"]);
    assert!(second.contains("at 0x301000") && second.contains("1 time\n"), "{second}");
    assert_eq!(second.matches("L1       at 0x30").count(), 1, "{second}");
    let (none, code) = report(&recording, &["--region", "prefill"]);
    assert!(none.contains("Nothing was left.") && code == Some(0), "{none}");
}

#[test]
fn a_region_in_one_of_its_own_name_counts_once_and_what_is_apart_does_not() {
    let folder = Folder::new("cut-nested");
    let recording = folder.0.join("run.ttmem");
    let mut story = Story::default();
    story.mark("\u{1f}region:begin:a:walk");
    story.tensor(Memory::Dram, 0x10_0000, 0x1000, 12);
    story.mark("\u{1f}region:begin:b:walk");
    story.tensor(Memory::Dram, 0x20_0000, 0x1000, 12);
    story.mark("\u{1f}region:end:b");
    story.mark("\u{1f}region:apart:c:aside");
    story.tensor(Memory::Dram, 0x30_0000, 0x1000, 12);
    story.mark("\u{1f}region:end:c");
    story.mark("\u{1f}region:end:a");
    story.write(&recording, &["python"], 2);
    let squeezed = |arguments: &[&str]| {
        let (text, _) = report(&recording, arguments);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let whole = squeezed(&[]);
    assert!(whole.contains("walk 2 144.0 KiB 96.0 KiB DRAM +192.0 KiB 192.0 KiB"), "{whole}");
    assert_eq!(squeezed(&["--region", "walk"]).matches("48.0 KiB DRAM at").count(), 2);
    let rules = folder.0.join("rules.txt");
    std::fs::write(&rules, "device:0").unwrap();
    let known = squeezed(&["--suppressions", rules.to_str().unwrap()]);
    assert!(known.contains("walk 2 144.0 KiB 96.0 KiB DRAM +192.0 KiB 96.0 KiB"), "{known}");
    for arguments in [&["--at", "peak"][..], &["--by", "op"], &["--tree"], &["--stats"]] {
        let (text, code) = report(&recording, arguments);
        assert!(code == Some(0) && text.ends_with('\n') && !text.ends_with("\n\n"), "{arguments:?}: {text}");
    }
}

#[test]
fn names_that_are_not_there_are_one_line() {
    let folder = Folder::new("cut-unknown");
    let recording = folder.0.join("run.ttmem");
    decoding(3).write(&recording, &["python"], 1);
    let refused = |arguments: &[&str], line: &str| {
        assert_eq!(report(&recording, arguments), (format!("ttmem: {line}\n"), Some(2)));
    };
    let there_are = "there are \"decode\", \"prefill\"; did you mean \"decode\"?";
    refused(&["--region", "decod"], &format!("no region \"decod\"; {there_are}"));
    refused(&["--region", "decode:4"], &format!("no region \"decode:4\"; {there_are}"));
    refused(&["--mark", "epoch 1"], "no mark \"epoch 1\"; there is none");
    training(10, 1).write(&recording, &["python"], 1);
    let (text, code) = report(&recording, &["--mark", "epoch"]);
    assert_eq!((text.lines().count(), code), (1, Some(2)), "{text}");
    assert!(text.contains("there are \"epoch 0\", \"epoch 1\",") && text.contains(", and 3 more"), "{text}");
}

#[test]
fn what_a_region_left_behind_in_two_runs() {
    let folder = Folder::new("cut-diff");
    let (before, after) = (folder.0.join("before.ttmem"), folder.0.join("after.ttmem"));
    decoding(3).write(&before, &["python"], 2);
    decoding(5).write(&after, &["python"], 2);
    let diff = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ttmem"));
        let output = command.arg("diff").args(arguments).args([&before, &after]).env("NO_COLOR", "1").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout) + &text(&output.stderr), output.status.code())
    };
    let (json, code) = diff(&["--region", "decode", "--json", "-"]);
    assert_eq!(code, Some(0), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    // Two steps more, a region of 64 KiB on each of two devices in each; the tensor before the steps is not theirs.
    assert_eq!(json["bytes_change"], 2 * 2 * 64 * 1024, "{json:#}");
    let (same, _) = diff(&["--region", "prefill", "--json", "-"]);
    let same: serde_json::Value = serde_json::from_str(&same).unwrap();
    assert_eq!(same["bytes_change"], 0);
    let (refused, code) = diff(&["--region", "decod"]);
    assert!(refused.contains("before.ttmem: no region \"decod\"; there are \"decode\", \"prefill\""), "{refused}");
    assert_eq!((refused.lines().count(), code), (1, Some(2)));
    assert_eq!(diff(&["--region", "decode", "--from", "x"]).1, Some(2));
}

#[test]
fn what_a_region_left_behind_first_and_last_in_one_run() {
    let folder = Folder::new("cut-diff-one");
    let recording = folder.0.join("run.ttmem");
    let mut story = Story::default();
    for step in 0..4 {
        story.mark(&format!("\u{1f}region:begin:p{step}:decode"));
        let free = story.tensor(Memory::Dram, 0x20_0000, 0x8000, 12);
        // It leaves as much as ever in DRAM, and ever more of one size in L1.
        story.tensor(Memory::Dram, 0x40_0000 + step * 0x1000, 0x1000, 12);
        for more in 0..=step {
            story.tensor(Memory::L1, 0x30_0000 + step * 0x1_0000 + more * 0x1000, 0x400, 64);
        }
        story.tell(free);
        story.mark(&format!("\u{1f}region:end:p{step}"));
    }
    story.mark("\u{1f}region:begin:q:once");
    story.mark("\u{1f}region:end:q");
    story.write(&recording, &["python"], 2);
    let diff = |region: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ttmem"));
        let output = command.args(["diff", "--region", region]).args(arguments).arg(&recording).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout) + &text(&output.stderr), output.status.code())
    };
    let (json, code) = diff("decode", &["--json", "-", "--fail-on-growth"]);
    assert_eq!(code, Some(23), "{json}");
    let json = &json[..json.rfind('}').unwrap() + 1];
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    // Three more of 64 KiB on each of two devices.
    assert_eq!(json["bytes_change"], 3 * 2 * 64 * 1024, "{json:#}");
    let (text, _) = diff("decode", &[]);
    assert!(text.contains("A: what the first decode") && text.contains("B: what the last decode"), "{text}");
    let (text, code) = diff("once", &[]);
    assert!(text.contains("\"once\" ran once"), "{text}");
    assert_eq!((text.lines().count(), code), (1, Some(2)));
    assert_eq!(diff("decode:2", &[]).1, Some(2));
}
