//! Call sites: what a report says of where memory comes from, beside what the program itself says.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use ttmem_e2e::{Outcome, Report, Run, c_program, c_program_with, command, folder, library, ring_files, root, skip};

/// CPython of this version: the one on PATH, else pyenv's.
fn python(version: &str) -> Option<PathBuf> {
    let pyenv = std::env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pyenv")));
    let installed = pyenv.and_then(|pyenv| fs::read_dir(pyenv.join("versions")).ok()).into_iter().flatten().flatten();
    let installed = installed.filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{version}.")));
    let candidates =
        installed.map(|entry| entry.path().join("bin/python")).chain([PathBuf::from(format!("python{version}"))]);
    candidates.into_iter().find(|python| {
        let wanted = "import sys, ctypes; print('%d.%d' % sys.version_info[:2])";
        let answer = Command::new(python).args(["-c", wanted]).output();
        answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).trim() == version)
    })
}

/// The sites of the live regions of device 0, by address.
fn sites(process: &Value) -> BTreeMap<u64, Vec<String>> {
    let regions = process["live"].as_array().expect("live").iter().filter(|region| region["device_id"] == 0);
    regions
        .map(|region| {
            let frames = region["site"].as_array().expect("site").iter();
            (
                region["address"].as_u64().expect("an address"),
                frames.map(|frame| frame.as_str().unwrap().to_owned()).collect(),
            )
        })
        .collect()
}

/// What the program of `tests/python/sites.py` said.
fn truth(outcome: &Outcome) -> BTreeMap<u64, Vec<String>> {
    let json: BTreeMap<String, Vec<(String, String, u32)>> =
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {}", outcome.stderr));
    let text = |(function, file, line): &(String, String, u32)| format!("{function} ({file}:{line})");
    json.iter().map(|(address, frames)| (address.parse().unwrap(), frames.iter().map(text).collect())).collect()
}

fn assert_same(found: &BTreeMap<u64, Vec<String>>, truth: &BTreeMap<u64, Vec<String>>, version: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>());
    for (address, frames) in truth {
        assert_eq!(&found[address], frames, "CPython {version}, {address:#x}: ttmem left, Python right");
    }
}

fn sites_py(python: &Path, files: &Path) -> Run {
    Run::new(python).arg(root().join("tests/python/sites.py")).arg(library()).arg(files)
}

fn report(arguments: &[&str], files: &[PathBuf]) -> Report {
    let outcome = Run::new(command()).args(["report", "--quiet", "--json", "-"]).args(arguments).args(files).outcome();
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    Report::parse(&outcome.stdout)
}

#[test]
fn every_python_says_the_same() {
    for version in ["3.10", "3.11", "3.12", "3.13"] {
        let Some(python) = python(version) else {
            skip(&format!("no CPython {version}"));
            continue;
        };
        let files = folder();
        let (outcome, report) = sites_py(&python, files.path()).traced();
        assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
        assert_eq!(outcome.our_lines(), Vec::<&str>::new());
        let truth = truth(&outcome);
        assert!(truth.len() > 600, "{}", truth.len());
        assert_same(&sites(report.process()), &truth, version);
    }
}

#[test]
fn a_killed_process_and_a_recording_have_their_sites() {
    let Some(python) = ["3.12", "3.10", "3.11", "3.13"].into_iter().find_map(python) else {
        return skip("no CPython from 3.10 to 3.13");
    };
    let (rings, files) = (folder(), folder());
    let killed = sites_py(&python, files.path()).arg("kill").preloaded(rings.path()).outcome();
    assert_eq!(killed.code(), 128 + 9, "{}", killed.stderr);
    let told = report(&[], &ring_files(rings.path()));
    assert_same(&sites(told.process()), &truth(&killed), "killed");
    let cleaned = Run::new(command()).arg("clean").env("TTMEM_DIR", rings.path()).outcome();
    assert_eq!(cleaned.code(), 0, "{}", cleaned.stderr);
    assert_eq!(fs::read_dir(rings.path()).unwrap().count(), 0, "the file of sites goes with its ring");

    let recording = files.path().join("run.ttmem");
    let run = sites_py(&python, files.path());
    let recorded = run.recorded(&recording, rings.path());
    assert_eq!(recorded.code(), 0, "{}", recorded.stderr);
    assert_eq!(fs::read_dir(rings.path()).unwrap().count(), 0);
    let told = report(&[], std::slice::from_ref(&recording));
    assert_same(&sites(told.process()), &truth(&recorded), "recorded");
    // A recorder that is killed leaves a file that ends anywhere: what it has of events, it has of their sites.
    let bytes = fs::read(&recording).expect("a recording");
    let cut = files.path().join("cut.ttmem");
    for part in 1..8 {
        fs::write(&cut, &bytes[..bytes.len() * part / 8]).expect("a file");
        let outcome = Run::new(command()).args(["report", "--quiet", "--json", "-"]).arg(&cut).outcome();
        if outcome.code() == 0
            && let [process, ..] = Report::parse(&outcome.stdout).processes()
        {
            let found = sites(process);
            found.iter().for_each(|(address, frames)| assert_eq!(frames, &truth(&recorded)[address], "{part}/8"));
        }
    }
    // The native frames are in it too.
    let full = report(&["--full-stacks"], &[recording]);
    assert!(sites(full.process()).values().any(|frames| frames[0].contains("libffi") || frames[0].contains("_ctypes")));
}

#[test]
fn more_sites_than_there_is_room_for() {
    let Some(python) = ["3.12", "3.11", "3.13", "3.10"].into_iter().find_map(python) else {
        return skip("no CPython from 3.10 to 3.13");
    };
    let files = folder();
    let script = files.path().join("many.py");
    let code = r#"
import ctypes, sys
report = ctypes.CDLL(sys.argv[1]).report_allocation
report.argtypes = [ctypes.c_int, ctypes.c_uint64, ctypes.c_uint8, ctypes.c_uint64]
def f(address):
    report(0, 1, 0, address)
for number in range(1, 101_001):
    f.__code__ = f.__code__.replace(co_firstlineno=number)
    f(number)
"#;
    fs::write(&script, code).expect("a script");
    let (outcome, report) =
        Run::new(python).arg(&script).arg(library()).traced_with(&[("TTMEM_RING_BYTES", "16777216")]);
    assert_eq!((outcome.code(), outcome.our_lines()), (0, Vec::new()), "{}", outcome.stderr);
    let process = report.process();
    let sites = sites(process);
    let site = |number: u64| format!("f ({}:{})", script.display(), number + 1);
    assert_eq!(sites.len(), 101_000);
    for (&number, frames) in &sites {
        match number {
            ..=100_000 => assert_eq!(frames[0], site(number)),
            _ => assert!(frames.is_empty(), "{number}: {frames:?}"),
        }
    }
    let findings = process["findings"].as_array().expect("findings");
    let text =
        findings.iter().find(|finding| finding["id"] == "sites-full").map(|finding| finding["text"].as_str().unwrap());
    assert!(text.is_some_and(|text| text.starts_with("1,000 allocations")), "{findings:?}");
}

#[test]
fn sites_can_be_turned_off() {
    let rings = folder();
    let off = Run::new(c_program("sites.cpp")).preloaded(rings.path()).env("TTMEM_STACKS", "off").outcome();
    assert_eq!((off.code(), off.stderr.as_str()), (0, ""));
    let files = fs::read_dir(rings.path()).unwrap().map(|entry| entry.unwrap().path());
    assert!(files.into_iter().all(|file| file.extension().is_some_and(|extension| extension == "ring")));
    for ring in ring_files(rings.path()) {
        assert!(sites(report(&[], &[ring]).process()).values().all(Vec::is_empty));
    }
}

/// The functions of a site, without arguments and places.
fn functions(site: &[String]) -> Vec<&str> {
    site.iter().map(|frame| frame.split(" (").next().unwrap_or(frame)).collect()
}

#[test]
fn c_plus_plus_without_frame_pointers() {
    let source = fs::read_to_string(root().join("tests/c/sites.cpp")).expect("the source");
    let line_of = |text: &str| 1 + source.lines().position(|line| line.contains(text)).expect("a line");
    for flags in
        [&["-fomit-frame-pointer"][..], &["-fno-omit-frame-pointer"], &["-O0"], &["-O3", "-fomit-frame-pointer"]]
    {
        let (outcome, report) = Run::new(c_program_with("sites.cpp", flags)).traced();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{flags:?}");
        let processes = report.processes();
        assert_eq!(processes.len(), 2, "the child of a fork has its own sites");
        let found = sites(&processes[0]);
        let at = |address: u64| functions(&found[&address]);
        assert_eq!(at(0x1000), ["app::direct", "app::Layer::forward", "main"], "{flags:?}");
        assert_eq!(at(0x2000), ["app::direct", "app::aligned", "main"], "{flags:?}");
        assert_eq!(at(0x3000).first(), Some(&"app::direct"));
        assert_eq!(at(0x3000).last(), Some(&"main"), "{flags:?}: {:?}", found[&0x3000]);
        // From a destructor, while an exception passes.
        assert_eq!(at(0x4000)[..3], ["app::direct", "app::Guard::~Guard", "app::throwing"], "{flags:?}");
        assert_eq!(at(0x5000)[..3], ["app::direct", "app::recursion", "app::recursion"], "{flags:?}");
        // Another stack than the thread's own: something or nothing, but no harm.
        assert!(found.contains_key(&0x6000) && found.contains_key(&0x7000));
        assert_eq!(at(0x8000), ["app::direct", "app::aligned", "small_thread"], "{flags:?}");
        assert_eq!(
            functions(&sites(&processes[1])[&0x9000]),
            ["app::direct", "app::Layer::forward", "main"],
            "{flags:?}"
        );
        let line = line_of("ttmem_allocation(0, 4096, 0, address);");
        assert!(found[&0x1000][0].ends_with(&format!("sites.cpp:{line})")), "{:?}", found[&0x1000]);
    }
}

#[test]
fn stripped_and_replaced_programs() {
    let built = c_program("sites.cpp");
    let files = folder();
    let program = files.path().join("program");
    fs::copy(&built, &program).expect("a copy");
    let stripped = Command::new("strip").arg("-s").arg(&program).status().expect("strip");
    assert!(stripped.success());
    let (outcome, report) = Run::new(&program).traced();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""));
    let found = sites(&report.processes()[0]);
    assert_eq!(found[&0x1000].len(), 3);
    assert!(found[&0x1000].iter().all(|frame| frame.starts_with("program+0x")), "{:?}", found[&0x1000]);

    // Another program in the place of the one that ran: its names would be lies.
    let (rings, program) = (folder(), files.path().join("replaced"));
    fs::copy(&built, &program).expect("a copy");
    let outcome = Run::new(&program).arg("replaced").preloaded(rings.path()).outcome();
    assert_eq!(outcome.code(), 1, "its input is empty");
    let named = |expected: &str| {
        let told = self::report(&[], &ring_files(rings.path()));
        let site = sites(told.process())[&0x1000].clone();
        assert!(site.iter().all(|frame| frame.contains("replaced+0x")) && site[0].starts_with(expected), "{site:?}");
    };
    named("app::direct (");
    fs::remove_file(&program).expect("removed");
    fs::copy(c_program("host.c"), &program).expect("a copy");
    named("replaced+0x");
    fs::remove_file(&program).expect("removed");
    named("replaced+0x");
}

#[test]
fn every_name_in_full_on_demand() {
    let rings = folder();
    let outcome = Run::new(c_program("sites.cpp")).preloaded(rings.path()).outcome();
    assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
    let raw = report(&["--raw-names"], &ring_files(rings.path()));
    let all: Vec<_> = raw.processes().iter().map(sites).collect();
    assert!(all.iter().any(|sites| sites.get(&0x1000).is_some_and(|site| site[0].starts_with("_ZN3app6directEm ("))));
}

/// Leaves one buffer more each time it runs, from the same line.
const GROWING: &str = r#"
import ctypes, pathlib, sys
report = ctypes.CDLL(sys.argv[1]).report_allocation
report.argtypes = [ctypes.c_int, ctypes.c_uint64, ctypes.c_uint8, ctypes.c_uint64]
count = pathlib.Path(sys.argv[2])
runs = int(count.read_text()) + 1
count.write_text(str(runs))
def leak(address):
    report(0, 8192, 0, address)
for number in range(runs):
    leak(4096 * (number + 1))
report(0, 512, 0, 1)
"#;

#[test]
fn growth_over_runs_and_differences_name_their_lines() {
    let Some(python) = ["3.12", "3.11", "3.13", "3.10"].into_iter().find_map(python) else {
        return skip("no CPython from 3.10 to 3.13");
    };
    let (files, rings) = (folder(), folder());
    let (script, count) = (files.path().join("growing.py"), files.path().join("count"));
    fs::write(&script, GROWING).expect("a script");
    fs::write(&count, "0").expect("a file");
    let recordings: Vec<PathBuf> = (0..4).map(|run| files.path().join(format!("{run}.ttmem"))).collect();
    for recording in &recordings {
        let run = Run::new(&python).arg(&script).arg(library()).arg(&count);
        assert_eq!(run.recorded(recording, rings.path()).code(), 0);
    }
    let outcome = Run::new(command()).args(["report", "--json", "-"]).args(&recordings).outcome();
    let report: Value = serde_json::from_str(&outcome.stdout).expect("a report");
    let growth = &report["growth_over_runs"][0];
    assert_eq!(growth["verdict"], "grows", "{growth}");
    let grows: Vec<&Value> =
        growth["sources"].as_array().unwrap().iter().filter(|source| source["size"] == 8192).collect();
    let line = format!("leak ({}:9)", script.display());
    assert_eq!((grows.len(), grows[0]["site"][0].as_str()), (1, Some(line.as_str())), "{growth}");
    let text = Run::new(command()).arg("report").args(&recordings).outcome().stdout;
    let (_, growth) = text.rsplit_once("* ").expect("growth over runs");
    assert!(growth.contains("growing.py:9)"), "{text}");

    let diff = |arguments: &[&str]| {
        let outcome = Run::new(command()).arg("diff").args(arguments).args(&recordings[..2]).outcome();
        assert_eq!(outcome.code(), 0, "{}", outcome.stderr);
        outcome.stdout
    };
    let (short, full) = (diff(&[]), diff(&["--full-stacks"]));
    assert!(short.contains("growing.py:9)") && !short.contains("_ctypes"), "{short}");
    assert!(
        full.contains("_ctypes") && full.contains("leak (") && full.lines().count() > short.lines().count(),
        "{full}"
    );
}

#[test]
fn top_shows_whose_the_largest_are() {
    let rings = folder();
    let mut child = Command::new(c_program("sites.cpp"))
        .arg("replaced")
        .env("LD_PRELOAD", library())
        .env("TTMEM_DIR", rings.path())
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("a program that waits");
    let since = std::time::Instant::now();
    let site = loop {
        let top = || Run::new(command()).args(["top", "--json"]).env("TTMEM_DIR", rings.path()).outcome();
        let view: Value = serde_json::from_str(&top().stdout).unwrap_or_default();
        let site = view["kinds"][0]["site"][0].as_str().map(str::to_owned);
        if site.is_some() || since.elapsed().as_secs() > 20 {
            break site;
        }
    };
    drop(child.stdin.take());
    child.wait().expect("its end");
    assert!(site.as_ref().is_some_and(|site| site.starts_with("app::direct (")), "{site:?}");
}
