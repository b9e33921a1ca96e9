//! Processes that report nothing: no ring, no thread, no file, and hardly any time.

use std::{fs, time::Duration};

use ttmem_e2e::{Run, c_program, folder, median_starts};

#[test]
fn no_ring_no_thread_no_file() {
    let base = folder();
    let rings = base.path().join("rings");
    let run = || Run::new(c_program("idle.c")).arg("tell");
    let (plain, preloaded) = (run().outcome(), run().preloaded(&rings).outcome());
    assert_eq!(preloaded, plain);
    assert!(plain.stdout.starts_with("1 threads\n") && plain.stdout.ends_with("0 rings\n"), "{}", plain.stdout);
    assert!(!rings.exists(), "not even the folder is made");
}

#[test]
fn one_event_makes_all_three() {
    // That the test above can see them.
    let rings = folder();
    let run = Run::new(c_program("idle.c")).args(["tell", "event"]).preloaded(rings.path());
    let outcome = run.outcome();
    assert!(outcome.stdout.starts_with("2 threads\n"), "{}", outcome.stdout);
    assert!(!outcome.stdout.ends_with("\n0 rings\n"), "{}", outcome.stdout);
    assert_eq!(ttmem_e2e::ring_files(rings.path()).len(), 1);
}

#[test]
fn children_of_a_shell() {
    let rings = folder();
    let program = c_program("idle.c");
    let script = "for i in 1 2 3 4 5; do \"$0\"; done; \"$0\" | cat; echo $(\"$0\" && echo done)";
    let run = || Run::new("sh").args(["-c", script]).arg(&program);
    assert_eq!(run().preloaded(rings.path()).outcome(), run().outcome());
    assert_eq!(fs::read_dir(rings.path()).expect("a folder").count(), 0);
}

#[test]
fn disabled_events_make_none_either() {
    for (name, value) in [("TTMEM_DISABLE", "1"), ("TT_ALLOC_TRACKING_ENABLED", "0")] {
        let base = folder();
        let rings = base.path().join("rings");
        let run = || Run::new(c_program("idle.c")).args(["tell", "event"]);
        assert_eq!(run().preloaded(&rings).env(name, value).outcome(), run().outcome(), "{name}={value}");
        assert!(!rings.exists());
    }
}

#[test]
fn a_report_on_nothing() {
    let (outcome, report) = Run::new(c_program("idle.c")).traced();
    assert_eq!(outcome.code(), 0);
    assert_eq!(report.processes().len(), 0);
}

#[test]
fn the_start_takes_no_time_to_speak_of() {
    let rings = folder();
    // A millisecond is promised; `cargo bench -p ttmem-e2e` has the figure. Here other work on the machine must not matter.
    let generous = Duration::from_millis(3);
    let tries: Vec<_> = (0..5).map(|_| median_starts(51, rings.path())).collect();
    let least = tries.iter().map(|(plain, preloaded)| preloaded.saturating_sub(*plain)).min().expect("five");
    assert!(least < generous, "{least:?} more at best: {tries:?}");
}
