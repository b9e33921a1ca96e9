//! Beside other libraries that stand between a program and its memory: the same output and exit code, and all events.

use std::{path::Path, process::Command};

use ttmem_e2e::{Outcome, Run, c_program, c_program_with, dead_rings, folder, library, root, skip};

/// Whether the loader finds this library.
fn can_preload(name: &str) -> bool {
    let outcome = Run::new("true").env("LD_PRELOAD", name).outcome();
    outcome.stderr.is_empty() && outcome.code() == 0
}

/// Cases of the host's, and how many events they leave in how many rings.
const CASES: [(&[&str], &[usize]); 8] = [
    (&["events", "1000"], &[1000]),
    (&["threads"], &[32_000]),
    (&["fork"], &[200, 50]),
    (&["generations"], &[10; 5]),
    (&["exec"], &[100, 20]),
    (&["close-all"], &[200]),
    (&["small-stack", "16384"], &[500]),
    (&["leave", "quick_exit"], &[100]),
];

/// Every case of this program with these libraries, ttmem's among them at `ours`, and without ttmem's.
fn compare(program: &Path, others: &[&str], ours: usize, variables: &[(&str, &str)]) {
    for (arguments, events) in CASES {
        let run = |preload: &[&str]| {
            let run = Run::new(program).args(arguments).env("LD_PRELOAD", preload.join(":"));
            variables.iter().fold(run, |run, (name, value)| run.env(name, value))
        };
        let rings = folder();
        let library = library();
        let mut all = others.to_vec();
        all.insert(ours, library.to_str().expect("a path in UTF-8"));
        let plain = run(others).outcome();
        let preloaded = run(&all).env("TTMEM_DIR", rings.path()).outcome();
        // In a forked child LeakSanitizer looks for its parent's threads, and the flusher is one.
        let theirs = |line: &&str| !line.ends_with("was not suspended. False leaks are possible.\n");
        let stderr = preloaded.stderr.split_inclusive('\n').filter(theirs).collect();
        assert_eq!(Outcome { stderr, ..preloaded }, plain, "{arguments:?} beside {others:?}");
        let mut found: Vec<usize> = dead_rings(rings.path()).iter().map(|ring| ring.events.len()).collect();
        found.sort_unstable_by_key(|&events| std::cmp::Reverse(events));
        assert_eq!(found, events, "{arguments:?} beside {others:?}");
    }
}

#[test]
fn other_allocators_of_host_memory() {
    for name in ["libjemalloc.so.2", "libmimalloc.so.2"] {
        if !can_preload(name) {
            skip(&format!("there is no {name}"));
            continue;
        }
        for ours in [0, 1] {
            compare(&c_program("host.c"), &[name], ours, &[]);
        }
    }
}

#[test]
fn address_sanitizer_and_its_leak_checker() {
    let name = Command::new("cc").arg("-print-file-name=libasan.so").output().expect("a compiler").stdout;
    let name = String::from_utf8_lossy(&name).trim().to_owned();
    if !name.starts_with('/') {
        skip("the compiler has no libasan.so");
        return;
    }
    let program = c_program_with("host.c", &["-fsanitize=address"]);
    // It wants to be the first library, or to be told not to look.
    compare(&program, &[&name], 1, &[]);
    compare(&program, &[], 0, &[("ASAN_OPTIONS", "verify_asan_link_order=0")]);
    // Some checkpoints: what the library allocates for one is freed.
    let rings = folder();
    let run = Run::new(&program).args(["events", "300000"]).preloaded(rings.path());
    let outcome = run.env("ASAN_OPTIONS", "verify_asan_link_order=0").outcome();
    assert_eq!((&*outcome.stdout, &*outcome.stderr, outcome.code()), ("done\n", "", 0));
}

/// Without what a profiler says of its own numbers.
fn of_the_program(outcome: &Outcome, profilers: &[&str]) -> (String, String, i32) {
    let theirs = |line: &&str| !profilers.iter().any(|words| line.contains(words));
    let kept = |text: &str| text.lines().filter(theirs).collect::<Vec<_>>().join("\n");
    (kept(&outcome.stdout), kept(&outcome.stderr), outcome.code())
}

#[test]
fn heaptrack() {
    if Command::new("heaptrack").arg("--version").output().is_err() {
        skip("there is no heaptrack");
        return;
    }
    // One that closes all descriptors closes heaptrack's own.
    for (arguments, events) in CASES.into_iter().filter(|(arguments, _)| arguments != &["close-all"]) {
        let (files, rings) = (folder(), folder());
        let run = || {
            let output = files.path().join("profile");
            Run::new("heaptrack").arg("-o").arg(output).arg(c_program("host.c")).args(arguments)
        };
        let (plain, preloaded) = (run().outcome(), run().preloaded(rings.path()).outcome());
        let of_the_program = |outcome| of_the_program(outcome, &["allocations:", "heaptrack stats"]);
        assert_eq!(of_the_program(&preloaded), of_the_program(&plain), "{arguments:?}");
        let found: usize = dead_rings(rings.path()).iter().map(|ring| ring.events.len()).sum();
        // heaptrack takes LD_PRELOAD away from the programs that its own executes.
        let expected = if arguments == ["exec"] { 100 } else { events.iter().sum() };
        assert_eq!(found, expected, "{arguments:?}");
    }
}

#[test]
fn memray() {
    let python = std::env::var("TTMEM_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    if !Command::new(&python).args(["-c", "import memray"]).output().is_ok_and(|output| output.status.success()) {
        skip(&format!("{python} has no memray"));
        return;
    }
    for how in [&["run"][..], &["run", "--native", "--follow-fork"]] {
        let (files, rings) = (folder(), folder());
        let run = || {
            let output = files.path().join("profile");
            Run::new(&python)
                .args(["-m", "memray"])
                .args(how)
                .args(["--force", "--output"])
                .arg(output)
                .arg(root().join("tests/c/marks.py"))
        };
        let (plain, preloaded) = (run().outcome(), run().preloaded(rings.path()).outcome());
        assert_eq!(preloaded, plain, "{how:?}");
        assert_eq!(plain.code(), 5);
        let dead = dead_rings(rings.path());
        assert_eq!(dead.iter().map(|ring| ring.events.len()).collect::<Vec<_>>(), [1000], "{how:?}");
    }
}
