//! Every view gives the same answer: text, JSON, the page, `ttmem follow`, `diff` and exit codes.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use ttmem_reader::{Follower, Suppressions, Target};
use ttmem_wire::{Event, EventKind, Memory, Pool, Target as On, flags};

mod common;
use common::{Folder, Held, Story, ring, write_runs};

/// Marks of a loop.
const STEPS: u64 = 8;

struct Case {
    name: &'static str,
    runs: Vec<Story>,
    rules: &'static str,
    lost: u64,
    is_cut: bool,
    answer: &'static str,
    /// Whether owners left something.
    has_leftover: bool,
}

impl Case {
    fn new(name: &'static str, runs: Vec<Story>, answer: &'static str, has_leftover: bool) -> Self {
        Self { name, runs, rules: "", lost: 0, is_cut: false, answer, has_leftover }
    }

    fn exit_code(&self, fails: bool) -> Option<i32> {
        Some(if fails { 23 } else { 0 })
    }
}

/// A loop with a working set that is freed in each step; `keep` adds what stays.
fn steps(keep: impl Fn(&mut Story, u64)) -> Story {
    let mut story = Story::default();
    for step in 0..STEPS {
        story.mark(&format!("step {step}"));
        let free = story.tensor(Memory::L1, 0x8000, 0x400, 1);
        keep(&mut story, step);
        story.tell(free);
    }
    story
}

fn kept(story: &mut Story, step: u64) {
    story.tensor(Memory::Dram, 0x10_0000 + step * 0x1000, 0x1000, 1);
}

fn cached(story: &mut Story, step: u64) {
    let event = Event { memory: Some(Memory::Dram), target: On::Device(0), size: 0x1000, ..Event::default() };
    story.tell(Event { flags: flags::FOR_PROGRAM, address: 0x10_0000 + step * 0x1000, holder: 1000 + step, ..event });
}

/// A program that exits with so many allocations.
fn leaves(number: u64) -> Story {
    let mut story = Story::default();
    (0..number).for_each(|at| kept(&mut story, at));
    story
}

/// A program that closes its device again and again, with so many allocations on it.
fn closes(live: impl Fn(u64) -> u64) -> Story {
    let mut story = Story::default();
    for turn in 0..STEPS {
        (0..live(turn)).for_each(|at| kept(&mut story, at));
        story.tell(Event { kind: EventKind::DeviceClosed, target: On::Device(0), ..Event::default() });
    }
    story
}

fn cases() -> Vec<Case> {
    let leak = || vec![steps(kept)];
    let weights = steps(|story, step| {
        if step == 0 {
            kept(story, 0);
        }
    });
    vec![
        Case::new("leak", leak(), "leak", true),
        Case::new("leftover", vec![weights], "leftover", true),
        Case::new("clean", vec![steps(|_, _| ())], "clean", false),
        Case { lost: 2, ..Case::new("lost", leak(), "inconclusive", false) },
        Case { is_cut: true, ..Case::new("cut", leak(), "inconclusive", false) },
        Case { rules: "memory:DRAM\n", ..Case::new("suppressed", leak(), "clean", false) },
        Case::new("cached", vec![steps(cached)], "clean", false),
        Case::new("runs", (1..=STEPS).map(leaves).collect(), "leak", true),
        Case::new("alike", (1..=STEPS).map(|_| leaves(3)).collect(), "leftover", true),
        Case::new("closes", vec![closes(|turn| turn + 1)], "leak", true),
        Case::new("closed", vec![closes(|_| 1)], "leftover", true),
    ]
}

fn ttmem(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ttmem")).args(arguments).env("NO_COLOR", "1").output().unwrap()
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The JSON of a report, whose text has the same verdict on a process, and its exit codes with each option.
fn report(path: &Path, rules: &str) -> (Value, [Option<i32>; 2]) {
    let path = path.to_str().unwrap();
    let json = ttmem(&["report", "--suppressions", rules, "--json", "-", path]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let text = squeezed(&String::from_utf8(ttmem(&["report", "--suppressions", rules, path]).stdout).unwrap());
    let verdict = json["processes"][0]["verdict"]["text"].as_str().unwrap();
    let is_alike = |process: &Value| text.contains(&squeezed(process["verdict"]["text"].as_str().unwrap()));
    assert!(json["processes"].as_array().unwrap().iter().any(is_alike), "{verdict}\n{text}");
    let code = |option| ttmem(&["report", "--quiet", "--suppressions", rules, option, path]).status.code();
    (json, ["--fail-on-leak", "--fail-on-leftover"].map(code))
}

/// The verdicts in the data of a page.
fn page(path: &Path, rules: &str) -> Vec<Value> {
    let html = path.with_extension("html");
    let arguments = ["report", "--quiet", "--suppressions", rules, "--html"];
    assert!(ttmem(&[&arguments[..], &[html.to_str().unwrap(), path.to_str().unwrap()]].concat()).status.success());
    let text = std::fs::read_to_string(html).unwrap();
    let start = text.find("{\"ttmem\"").unwrap();
    let data: Value = serde_json::from_str(text[start..].split("</script>").next().unwrap().trim()).unwrap();
    data["processes"].as_array().unwrap().iter().map(|process| process["verdict"].clone()).collect()
}

/// What `ttmem follow` and a report answer about a ring with the same events, whose process runs.
fn of_ring(folder: &Folder, story: &Story, rules: &Path) -> [Value; 2] {
    let file = ring(folder);
    assert_eq!(file.pools().enter(&Pool { allocator: 1, chips: vec![0] }), Some(0));
    let mut held = Held::new(&file);
    story.events().for_each(|event| held.push(event));
    let (json, _) = report(file.path(), rules.to_str().unwrap());
    let mut follower = Follower::new(Target::Ring(file.path().to_owned()), Suppressions::read(rules).unwrap());
    let answer: Value = serde_json::from_str(&follower.answer("{\"ask\": \"verdict\"}")).unwrap();
    [json["processes"][0]["verdict"].clone(), answer["verdict"].clone()]
}

#[test]
fn every_view_gives_the_same_answer() {
    let folder = Folder::new("views");
    let clean = folder.0.join("nothing.ttmem");
    Story::default().write(&clean, &["python"], 1);
    for case in cases() {
        let name = case.name;
        let path: PathBuf = folder.0.join(name).with_extension("ttmem");
        let stories: Vec<&Story> = case.runs.iter().collect();
        write_runs(&path, &stories, &["python", "model.py"], 1, case.lost, case.is_cut);
        let rules = folder.0.join("rules.txt");
        std::fs::write(&rules, case.rules).unwrap();
        let (json, codes) = report(&path, rules.to_str().unwrap());
        let processes = json["processes"].as_array().unwrap();
        assert_eq!(processes.len(), case.runs.len(), "{name}");

        let word = if case.answer == "clean" {
            "Clean"
        } else {
            &format!("{}{}:", case.answer[..1].to_uppercase(), &case.answer[1..])
        };
        let mood = match case.answer {
            "clean" => "good",
            "inconclusive" => "unsure",
            _ => "bad",
        };
        for (process, drawn) in processes.iter().zip(page(&path, rules.to_str().unwrap())) {
            let verdict = &process["verdict"];
            assert_eq!(verdict["answer"], case.answer, "{name}: {verdict}");
            assert!(verdict["text"].as_str().unwrap().starts_with(word), "{name}: {verdict}");
            assert_eq!((&drawn[0], &drawn[1]), (&mood.into(), &verdict["text"]), "{name}");
            if case.answer != "inconclusive" {
                assert_eq!(verdict["leaks"].as_array().unwrap().is_empty(), case.answer != "leak", "{name}: {verdict}");
                assert_eq!(verdict["leftover_bytes"] != 0, case.has_leftover, "{name}: {verdict}");
            }
        }
        let expected = [case.exit_code(case.answer == "leak"), case.exit_code(case.has_leftover)];
        assert_eq!(codes, expected, "{name}: --fail-on-leak, --fail-on-leftover");

        // The same of a report in JSON, which is judged anew.
        let saved = path.with_extension("json");
        std::fs::write(&saved, json.to_string()).unwrap();
        for other in [&path, &saved] {
            let diff = ["diff", "--quiet", "--suppressions", rules.to_str().unwrap()];
            let files = [clean.to_str().unwrap(), other.to_str().unwrap()];
            let code = |option| ttmem(&[&diff[..], &[option], &files].concat()).status.code();
            assert_eq!(
                ["--fail-on-leak", "--fail-on-leftover"].map(code),
                expected,
                "{name}: diff with {}",
                other.display()
            );
        }
        if let [story] = &stories[..] {
            let own = Folder::new(&format!("views-{name}"));
            let [reported, followed] = of_ring(&own, story, &rules);
            assert_eq!(reported, followed, "{name}");
        }
    }
}

#[test]
fn what_is_inconclusive_never_passes_in_silence() {
    let folder = Folder::new("views-silence");
    let [clean, lost, cut] = ["clean", "lost", "cut"].map(|name| folder.0.join(name).to_str().unwrap().to_owned());
    let write = |path: &str, story: &Story, lost, is_cut| {
        write_runs(Path::new(path), &[story], &["python"], 1, lost, is_cut);
    };
    write(&clean, &steps(|_, _| ()), 0, false);
    write(&lost, &steps(kept), 2, false);
    write(&cut, &steps(kept), 0, true);
    let quiet = |arguments: &[&str]| {
        let output = ttmem(&[&[arguments[0], "--quiet"], &arguments[1..]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (path, why) in [(&lost, "2 events were lost"), (&cut, "the recording was cut short after 0 events")] {
        for option in ["--fail-on-leak", "--fail-on-leftover"] {
            let line = format!("ttmem: {option}: inconclusive: pid 4242, {why}; exit code 0\n");
            assert_eq!(quiet(&["report", option, path]), line);
            assert_eq!(quiet(&["diff", option, &clean, path]), line);
        }
        let line = format!("ttmem: --fail-on-growth: inconclusive: B is not complete, {why}; exit code 0\n");
        assert_eq!(quiet(&["diff", "--fail-on-growth=1GiB", &clean, path]), line);
    }
    assert_eq!(quiet(&["report", "--fail-on-leak", &clean]), "");
}

#[test]
fn a_difference_names_what_is_suppressed_cached_or_undecided() {
    let folder = Folder::new("views-beside");
    let [nothing, file, rules] = ["nothing", "file", "rules"].map(|name| folder.0.join(name));
    Story::default().write(&nothing, &["python"], 1);
    let mut story = steps(|story, step| {
        if [4, 6].contains(&step) {
            kept(story, step);
        }
    });
    cached(&mut story, 100);
    story.tensor(Memory::L1, 0x8000, 0x400, 1);
    story.write(&file, &["python"], 1);
    std::fs::write(&rules, "memory:L1\n").unwrap();
    let [nothing, file, rules] = [&nothing, &file, &rules].map(|path| path.to_str().unwrap());
    let diff = |more: &[&str]| {
        let output = ttmem(&[&["diff", "--suppressions", rules], more, &[nothing, file]].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let json: Value = serde_json::from_str(&diff(&["--json", "-"])).unwrap();
    let of = |side: &str| {
        ["cached_regions", "cached_bytes", "suppressed_regions", "suppressed_bytes"].map(|key| json[side][key].clone())
    };
    assert_eq!(of("a"), [0; 4]);
    assert_eq!(of("b"), [1, 0x1000, 1, 0x400]);
    assert_eq!(
        (&json["a"]["undecided"], &json["b"]["undecided"]),
        (&Value::Null, &"too few iterations kept something".into())
    );
    assert_eq!(json["b"]["regions"], 3, "what is suppressed is left out");
    let text = squeezed(&diff(&[]));
    let beside = "3 allocations, 12.0 KiB In the program cache: 1 allocation (4.0 KiB). Suppressed, and left out: 1 \
                  allocation (1.0 KiB). Whether it grows is undecided after 8 marks \"step #\": too few iterations kept \
                  something.";
    assert!(text.contains(beside), "{text}");
}
