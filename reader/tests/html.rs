//! The page of `ttmem report --html`, in a real browser.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

mod common;
use common::{Folder, HOSTILE, Story, hold_one_of_two, ring, skip, training};
use ttmem_wire::{Event, Memory, Target};

fn page(folder: &Folder, name: &str, story: &Story, chips: i32) -> PathBuf {
    let recording = folder.0.join(format!("{name}.ttmem"));
    story.write(&recording, &["python", "train.py", HOSTILE], chips);
    let html = folder.0.join(format!("{name}.html"));
    let output = Command::new(env!("CARGO_BIN_EXE_ttmem"))
        .args(["report", "--quiet", "--html"])
        .args([&html, &recording])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    html
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name))).find(|path| path.is_file())
}

/// What the browser says of a page; `None` where there is no browser.
fn browse(folder: &Folder, html: &Path, more: &[&str]) -> Option<Output> {
    let Some(chromium) = chromium() else {
        skip("no chromium on PATH");
        return None;
    };
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
        ])
        .arg(format!("--user-data-dir={}", folder.0.join("browser").display()))
        .args(more)
        .arg(format!("file://{}", html.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output)
}

fn dom(folder: &Folder, html: &Path) -> Option<String> {
    let output = browse(folder, html, &["--dump-dom", "--window-size=1280,1000"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:#?}");
    let dom = String::from_utf8(output.stdout).unwrap();
    assert!(dom.contains("data-ready=\"yes\""), "the script ran to its end");
    Some(dom)
}

/// The text of the element with this id.
fn part<'a>(dom: &'a str, id: &str) -> &'a str {
    let start = dom.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no {id}"));
    let rest = &dom[start..];
    rest.find("</section>").map_or(rest, |end| &rest[..end])
}

#[test]
fn the_page_tells_the_reports_numbers_and_nothing_gets_out_of_its_data() {
    let folder = Folder::new("html");
    let html = page(&folder, "training", &training(6, 20), 8);
    let Some(dom) = dom(&folder, &html) else { return };
    let verdict = part(&dom, "verdict");
    assert!(
        verdict.contains("Leak: 8 allocations (4.5 MiB) more per iteration, over 6 marks \"epoch #\""),
        "{verdict}"
    );
    let sums = part(&dom, "sums");
    for number in ["devices 0-7, each", "457.9 MiB", "480,116,736 B", "520.5 MiB", "L1_SMALL", "2.6 MiB"] {
        assert!(sums.contains(number), "{number}: {sums}");
    }
    assert!(part(&dom, "timeline").contains("peak"));
    assert!(part(&dom, "allocations").contains("rows"));
    assert!(part(&dom, "map").contains("<canvas"));
    // From the first mark to the last: six that were forgotten, on eight chips.
    assert!(part(&dom, "diff").contains("+48 allocations, +27.0 MiB over all devices"), "{}", part(&dom, "diff"));
    assert!(!dom.contains("<img"), "{HOSTILE} is text");
    assert_eq!(dom.matches("<script").count(), 2);
}

/// The data of a page.
fn data(html: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(html).unwrap();
    let start = text.find("{\"ttmem\"").unwrap();
    let end = start + text[start..].find("</script>").unwrap();
    serde_json::from_str(text[start..end].trim()).unwrap()
}

#[test]
fn the_page_has_growth_regions_refusals_and_what_was_live_at_each_peak() {
    let folder = Folder::new("html-data");
    let mut story = training(6, 20);
    story.mark("\u{1f}region:begin:1:decode");
    story.tensor(Memory::Dram, 0x900_0000, 0x1000, 12);
    story.mark("\u{1f}region:end:1");
    let html = page(&folder, "data", &story, 8);
    let data = data(&html);
    let process = &data["processes"][0];
    let texts = process["growth"].to_string();
    assert!(texts.contains("epoch #"), "{texts}");
    let refused = process["refused"].as_str().unwrap();
    assert!(refused.contains("out of memory: 1.0 TiB"), "{refused}");
    let regions = process["regions"].as_array().unwrap();
    assert_eq!(regions.len(), 1);
    assert_eq!((&regions[0]["name"], &regions[0]["times"]), (&"decode".into(), &1.into()));
    assert_eq!((regions[0]["left"].as_u64(), regions[0]["left_buffers"].as_u64()), (Some(8 * 0x1000 * 12), Some(8)));
    assert!(!process["marks"].to_string().contains("region:"), "{}", process["marks"]);
    // Each memory's moment holds what its line has at the highest, over all devices.
    let moments = process["moments"].as_array().unwrap();
    for memory in ["DRAM", "L1", "L1_SMALL"] {
        let tops = process["lines"].as_array().unwrap().iter().filter(|line| line["memory"] == memory).map(|line| {
            let cells = line["cells"].as_array().unwrap();
            let top = cells.chunks(4).map(|cell| cell[2].as_u64().unwrap()).max().unwrap();
            top * line["devices"].as_array().unwrap().len() as u64
        });
        let is_its_peak = |moment: &&serde_json::Value| {
            let name = moment["name"].as_str().unwrap();
            name.strip_prefix("Peak of ").is_some_and(|name| name.split([' ', ',']).any(|word| word == memory))
        };
        let moment = moments.iter().find(is_its_peak).unwrap_or_else(|| panic!("no peak of {memory}"));
        let rows = moment["rows"].as_array().unwrap().iter();
        let bytes = rows.filter(|row| process["memories"][row["m"].as_u64().unwrap() as usize] == memory).map(|row| {
            let devices = process["device_sets"][row["d"].as_u64().unwrap() as usize].as_array().unwrap();
            row["s"].as_u64().unwrap() * devices.len() as u64
        });
        assert_eq!(bytes.sum::<u64>(), tops.sum::<u64>(), "{memory}");
    }
}

#[test]
fn odd_recordings_are_pages_too() {
    let folder = Folder::new("html-odd");
    let mut huge = Story::default();
    for address in [0, u64::MAX] {
        huge.tell(Event {
            memory: Some(Memory::Unknown(9)),
            target: Target::Device(-7),
            address,
            // Each a row of its own.
            size: u64::MAX - address % 2,
            ..Event::default()
        });
    }
    for (name, story) in [("huge", huge), ("nothing", Story::default())] {
        let html = page(&folder, name, &story, 1);
        let Some(dom) = dom(&folder, &html) else { return };
        assert_eq!(dom.contains("16.0 EiB"), name == "huge");
        assert_eq!(dom.contains("0xffffffffffffffff"), name == "huge", "exact, though no number of a script is");
    }
}

/// Circular buffers grow from below, buffers come from above, and they have met.
fn clash() -> Story {
    let mut story = Story::default();
    for buffer in 0..6 {
        story.circular_buffer(0, 0x1_8B20 + buffer * 0x6000, 0x5800);
    }
    for buffer in 1..6 {
        story.tensor(Memory::L1, 0x10_0000 - buffer * 0x1_8000, 0x1_0000, 20 + 10 * buffer);
    }
    story.tensor(Memory::L1, 0x3_A000, 0x4000, 64);
    story
}

#[test]
fn a_clash_of_buffers_and_circular_buffers_is_seen() {
    let folder = Folder::new("html-clash");
    let html = page(&folder, "clash", &clash(), 1);
    let Some(dom) = dom(&folder, &html) else { return };
    // The last circular buffer lies from 0x36b20 to 0x3c320.
    assert!(part(&dom, "map").contains("clash: 8.8 KiB from 0x3a000"), "{}", part(&dom, "map"));
}

#[test]
fn a_ring_shows_what_it_has() {
    let folder = Folder::new("html-ring");
    let file = ring(&folder);
    let _held = hold_one_of_two(&file);
    let html = folder.0.join("ring.html");
    let output = Command::new(env!("CARGO_BIN_EXE_ttmem"))
        .args(["report", "--html"])
        .args([&html, file.path()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Some(dom) = dom(&folder, &html) else { return };
    let sums = part(&dom, "sums");
    assert!(sums.contains("devices 0-1, each") && sums.contains("36,864 B") && sums.contains("73,728 B"), "{sums}");
    assert!(part(&dom, "allocations").contains("0x10000"));
    assert!(part(&dom, "summary").contains("is running"));
}
