//! A program must not notice that it is watched: the same output, the same end, at most one line more on standard error;
//! and its events are all there, whatever it does with processes, threads, signals and descriptors.

use std::{os::unix::fs::chown, path::Path, process::Command};

use ttmem_e2e::{Dead, Outcome, Report, Run, c_library, c_program, dead_rings, folder, is_root, skip, words_in};

fn host(case: &str, argument: &str) -> Run {
    Run::new(c_program("host.c")).args([case, argument])
}

/// Runs a case with and without the library. The rings that it left, oldest first.
fn watched(case: &str, argument: &str) -> Vec<Dead> {
    let (dead, lines) = watched_by(|| host(case, argument));
    assert_eq!(lines, [""; 0], "{case}");
    dead
}

/// The same for any program, with the lines that ttmem wrote.
fn watched_by(run: impl Fn() -> Run) -> (Vec<Dead>, Vec<String>) {
    let rings = folder();
    let (plain, preloaded) = (run().outcome(), run().preloaded(rings.path()).outcome());
    assert_same(&plain, &preloaded);
    let dead = dead_rings(rings.path());
    dead.iter().for_each(Dead::check_counts);
    (dead, preloaded.our_lines().into_iter().map(str::to_owned).collect())
}

fn assert_same(plain: &Outcome, preloaded: &Outcome) {
    assert_eq!(&preloaded.without_our_lines(), plain);
    assert!(preloaded.our_lines().len() <= 1, "{}", preloaded.stderr);
}

/// The ring holds `count` events on `device`, ids from 0, in order; on no other device of `all` is there any.
fn assert_ids(dead: &Dead, expected: &[(i32, u64)]) {
    let total: u64 = expected.iter().map(|(_, count)| count).sum();
    assert_eq!(dead.events.len() as u64, total, "{expected:?}");
    for &(device, count) in expected {
        assert_eq!(dead.ids(device), (0..count).collect::<Vec<_>>(), "device {device}");
    }
}

fn assert_rings(dead: &[Dead], expected: &[&[(i32, u64)]]) {
    assert_eq!(dead.len(), expected.len(), "{dead:?}");
    for (dead, expected) in dead.iter().zip(expected) {
        assert_ids(dead, expected);
    }
}

fn words(path: &Path) -> Vec<u64> {
    words_in(&std::fs::read(path).expect("the words"))
}

#[test]
fn a_plain_program() {
    let dead = watched("events", "50");
    assert_rings(&dead, &[&[(9, 50)]]);
    assert_eq!(dead[0].exit_status, Some(0));
}

#[test]
fn a_forked_child_has_a_ring_of_its_own() {
    let dead = watched("fork", "");
    assert_rings(&dead, &[&[(0, 200)], &[(1, 50)]]);
    assert_eq!(dead[1].header.parent_pid, dead[0].header.pid);
    assert_eq!((dead[0].exit_status, dead[1].exit_status), (Some(4), None));
    assert_rings(&watched("fork-first", ""), &[&[(1, 50)], &[(0, 100)]]);
}

#[test]
fn children_of_children() {
    assert_rings(&watched("generations", ""), &[&[(0, 10)], &[(1, 10)], &[(2, 10)], &[(3, 10)], &[(4, 10)]]);
}

#[test]
fn forks_while_threads_report() {
    let files = folder();
    let words_file = files.path().join("words");
    let dead = watched("fork-with-threads", words_file.to_str().expect("a path in ASCII"));
    assert_eq!(dead.len(), 21);
    // A child may be faster with its first event than its parent's threads.
    let (parents, children): (Vec<_>, Vec<_>) = dead.iter().partition(|ring| !ring.ids(0).is_empty());
    assert_eq!(parents.len(), 1);
    // The last run, with the library, wrote the words last.
    assert_eq!(parents[0].counters.reported(), words(&words_file).iter().sum::<u64>());
    for child in children {
        assert_ids(child, &[(2, 10), (3, 10)]);
        assert_eq!(child.header.parent_pid, parents[0].header.pid);
    }
}

#[test]
fn a_daemon_has_a_ring_of_its_own() {
    assert_rings(&watched("daemon", ""), &[&[(0, 50)], &[(1, 200)]]);
}

#[test]
fn limits_that_are_there_from_the_start() {
    // Address space for the program and hardly more, then for the ring too, then for call sites; descriptors; files.
    let cases = [
        ("-v 9000", 0, "cannot map a file"),
        ("-v 40000", 1, "no call sites"),
        ("-v 400000", 1, ""),
        ("-n 4", 0, "cannot make a file"),
        ("-n 16", 1, ""),
        ("-f 64", 0, "cannot reserve memory"),
    ];
    for (limit, rings, words) in cases {
        let script = format!("ulimit {limit}; exec \"$0\" events 100");
        let program = c_program("host.c");
        let (dead, lines) = watched_by(|| Run::new("sh").args(["-c", &script]).arg(&program));
        assert_eq!((dead.len(), lines.is_empty()), (rings, words.is_empty()), "{limit}: {lines:?}");
        assert!(lines.iter().all(|line| line.contains(words)), "{limit}: {lines:?}");
    }
}

#[test]
fn exec_begins_anew() {
    assert_rings(&watched("fork-exec", ""), &[&[(0, 100)], &[(9, 20)]]);
    // Until its exec a vfork child is its parent.
    assert_rings(&watched("vfork-exec", ""), &[&[(0, 100)], &[(9, 20)]]);
    // Even if the child's event is the first of all.
    assert_rings(&watched("vfork-first", ""), &[&[(0, 100)], &[(9, 20)]]);
    let dead = watched("exec", "");
    assert_rings(&dead, &[&[(0, 100)], &[(9, 20)]]);
    assert_eq!(dead[0].header.pid, dead[1].header.pid);
    assert_ne!(dead[0].header.ring_id, dead[1].header.ring_id);
}

#[test]
fn children_that_no_fork_handler_sees() {
    assert_rings(&watched("raw-clone", ""), &[&[(0, 100)], &[(1, 30)]]);
    assert_rings(&watched("bare-fork", ""), &[&[(0, 100)], &[(1, 30)]]);
}

#[test]
fn a_child_in_shared_memory_counts_as_its_parent() {
    assert_rings(&watched("clone-vm", ""), &[&[(0, 100)]]);
}

#[test]
fn many_threads() {
    let dead = watched("threads", "");
    // The queue alone has room for all of them: none is dropped, whatever the flusher does meanwhile.
    assert!(dead[0].header.queue_slots >= 64 * 500);
    let expected: Vec<(i32, u64)> = (0..64).map(|device| (device, 500)).collect();
    assert_rings(&dead, &[&expected]);
}

#[test]
fn the_first_event_on_the_smallest_stack() {
    assert_rings(&watched("small-stack", "16384"), &[&[(0, 500)]]);
}

#[test]
fn events_from_signal_handlers() {
    let files = folder();
    let words_file = files.path().join("words");
    let dead = watched("signals", words_file.to_str().expect("a path in ASCII"));
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].counters.reported(), 300_000 + words(&words_file)[0]);
    for device in [0, 1] {
        assert!(dead[0].ids(device).is_sorted(), "device {device}");
    }
    assert!(!dead[0].ids(1).is_empty());
}

#[test]
fn the_first_event_from_a_signal_handler() {
    let files = folder();
    let words_file = files.path().join("words");
    let dead = watched("first-in-handler", words_file.to_str().expect("a path in ASCII"));
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].ids(1), dead[0].ids(0)), (vec![0], (0..100).collect()));
}

#[test]
fn no_thread_of_ours_takes_the_hosts_signals() {
    assert_rings(&watched("blocked-signals", ""), &[&[(0, 100)]]);
}

#[test]
fn the_ring_needs_no_descriptor() {
    assert_rings(&watched("no-files-later", ""), &[&[(0, 1000)]]);
    assert_rings(&watched("close-all", ""), &[&[(0, 200)]]);
    assert_rings(&watched("close-range", ""), &[&[(0, 200)]]);
}

#[test]
fn events_while_the_loader_holds_its_lock() {
    let library = c_library("constructor.c");
    let dead = watched("loads-a-library", library.to_str().expect("a path in ASCII"));
    assert_rings(&dead, &[&[(0, 100), (1, 100)]]);
}

#[test]
fn errno_is_the_hosts() {
    assert_rings(&watched("errno", ""), &[&[(0, 101)]]);
}

#[test]
fn where_limits_forbid_a_ring_one_line_says_so() {
    for case in ["no-files", "small-files", "small-memory"] {
        let (dead, lines) = watched_by(|| host(case, ""));
        assert_eq!((dead.len(), lines.len()), (0, 1), "{case}: {lines:?}");
    }
}

#[test]
fn where_no_thread_can_be_made_one_line_says_so() {
    if !is_root() {
        let (dead, lines) = watched_by(|| host("no-threads", ""));
        assert_eq!((dead.len(), lines.len()), (0, 1), "{lines:?}");
        return;
    }
    // Root is not bound by the limit on processes; somebody else is.
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    if !Command::new("setpriv").args(nobody).arg("true").status().is_ok_and(|status| status.success()) {
        skip("there is no setpriv to become another user by");
        return;
    }
    let rings = folder();
    chown(rings.path(), Some(65534), Some(65534)).expect("chown");
    let program = rings.path().join("host");
    std::fs::copy(c_program("host.c"), &program).expect("a copy that the user can reach");
    let run = || Run::new("setpriv").args(nobody).arg(&program).arg("no-threads");
    let (plain, preloaded) = (run().outcome(), run().preloaded(rings.path()).outcome());
    assert_same(&plain, &preloaded);
    assert_eq!(preloaded.our_lines().len(), 1, "{}", preloaded.stderr);
    assert_eq!(ttmem_e2e::ring_files(rings.path()).len(), 0, "a ring without a flusher is taken away");
}

#[test]
fn every_way_to_leave() {
    for way in ["_exit", "quick_exit", "abort", "group", "fault", "return"] {
        assert_rings(&watched("leave", way), &[&[(0, 100)]]);
    }
    // The first thread ends, another goes on.
    let dead = watched("leave", "thread");
    assert_eq!(dead[0].ids(0), (0..100).chain(0..500).collect::<Vec<_>>());
}

#[test]
fn another_root_and_another_user() {
    if !is_root() {
        skip("only root can change the root folder");
        return;
    }
    assert_rings(&watched("change-root", ""), &[&[(0, 200)]]);
}

#[test]
fn events_at_the_end_of_threads_and_of_the_program() {
    let (dead, lines) = watched_by(|| Run::new(c_program("at_exit.cpp")));
    assert_eq!(lines, [""; 0]);
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].ids(0), [1, 3, 2, 4, 5, 6, 7]);
    assert_eq!(dead[0].exit_status, Some(5));
}

#[test]
fn closed_standard_streams() {
    let program = c_program("host.c");
    for closed in [">&-", "2>&-", "<&-", "<&- >&- 2>&-"] {
        let script = format!("exec \"$0\" \"$@\" {closed}");
        let run = || Run::new("sh").args(["-c", &script]).arg(&program).args(["fork"]);
        let (dead, _) = watched_by(run);
        assert_rings(&dead, &[&[(0, 200)], &[(1, 50)]]);
        // Where it has something to say, too.
        let plain = run().outcome();
        assert_same(&plain, &run().preloaded(Path::new("/proc/nothing")).outcome());
    }
}

#[test]
fn a_broken_pipe_for_standard_error() {
    assert_rings(&watched("broken-stderr", ""), &[&[(0, 10)]]);
    let plain = host("broken-stderr", "").outcome();
    assert_same(&plain, &host("broken-stderr", "").preloaded(Path::new("/proc/nothing")).outcome());
}

#[test]
fn a_tree_of_processes_under_one_reader() {
    let (outcome, report) = host("generations", "").traced();
    assert_eq!(outcome.code(), 0);
    assert_eq!(report.processes().len(), 5);
    for (device, process) in (0..).zip(report.processes()) {
        assert_eq!(Report::events(process), (10, 10, 0));
        assert_eq!(Report::totals(process, device, "DRAM").live_bytes, 640);
    }
    let (outcome, report) = host("vfork-exec", "").traced();
    assert_eq!((outcome.code(), report.processes().len()), (0, 2));
}

#[test]
fn the_exit_code_passes_through() {
    for (way, code) in
        [("_exit", 11), ("quick_exit", 12), ("abort", 134), ("group", 13), ("fault", 139), ("return", 14)]
    {
        let (outcome, report) = host("leave", way).traced();
        assert_eq!(outcome.code(), code, "{way}");
        assert_eq!(Report::events(report.process()), (100, 100, 0));
    }
}
