//! Where a seccomp filter denies system calls, the program runs as without ttmem: the same output and end, and one line at most.
//! docs/limits.md has the table.

use std::time::{Duration, Instant};

use ttmem_e2e::{Dead, Run, c_program, dead_rings, folder};

/// What the library does where a call is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Tracks,
    /// With a line of these words.
    Says(&'static str),
    /// It makes no ring, and says why.
    IsOff(&'static str),
}
use Then::{IsOff, Says, Tracks};

const CALLS: [(&str, Then); 41] = [
    ("openat", IsOff("cannot use folder")),
    ("mkdir", IsOff("cannot use folder")),
    ("geteuid", IsOff("cannot use folder")),
    ("fallocate", IsOff("cannot reserve memory")),
    ("prlimit64", IsOff("cannot reserve memory")),
    ("flock", IsOff("cannot lock a file")),
    ("linkat", IsOff("cannot name a file")),
    ("mmap", IsOff("cannot start the flusher thread")),
    ("madvise", IsOff("a page that is wiped on fork")),
    ("mprotect", IsOff("cannot start the flusher thread")),
    ("clone,clone3", IsOff("cannot start the flusher thread")),
    ("ftruncate", Says("no call sites")),
    ("brk", Tracks),
    ("clock_gettime", Tracks),
    ("close", Tracks),
    ("fcntl", Tracks),
    ("fstat", Tracks),
    ("fstatfs", Tracks),
    ("futex", Tracks),
    ("getcwd", Tracks),
    ("getpid", Tracks),
    ("getrandom", Tracks),
    ("gettid", Tracks),
    ("lseek", Tracks),
    ("memfd_create", Tracks),
    ("mremap", Tracks),
    ("munmap", Tracks),
    ("nanosleep,clock_nanosleep", Tracks),
    ("newfstatat", Tracks),
    ("prctl", Tracks),
    ("pread64", Tracks),
    ("process_vm_readv", Tracks),
    ("read", Tracks),
    ("readlink", Tracks),
    ("rt_sigaction", Tracks),
    ("rt_sigprocmask", Tracks),
    ("sched_getaffinity", Tracks),
    ("sched_yield", Tracks),
    ("statx", Tracks),
    ("tgkill", Tracks),
    ("unlink", Tracks),
];

/// The rings that were left, and our lines, of a case of the host's that may not do this.
fn run(case: &str, call: &str) -> (Vec<Dead>, Vec<String>) {
    let rings = folder();
    let host = || Run::new(c_program("host.c")).args([case, call]);
    let plain = host().outcome();
    let filtered = format!("denied {}, filter 0\n", call.split(',').count());
    assert!(plain.stdout.starts_with(&filtered), "{}", plain.stdout);
    let preloaded = host().preloaded(rings.path()).outcome();
    assert_eq!(preloaded.without_our_lines(), plain, "{case} {call}");
    let lines: Vec<String> = preloaded.our_lines().into_iter().map(str::to_owned).collect();
    assert!(lines.len() <= 1, "{case} {call}: {lines:?}");
    (dead_rings(rings.path()), lines)
}

#[test]
fn a_call_that_is_denied_from_the_beginning() {
    for (call, then) in CALLS {
        let (dead, lines) = run("denied", call);
        let words = match then {
            Tracks => "",
            Says(words) | IsOff(words) => words,
        };
        assert_eq!(lines.is_empty(), words.is_empty(), "{call}: {lines:?}");
        assert!(lines.iter().all(|line| line.contains(words)), "{call}: {lines:?}");
        assert_eq!(dead.len(), usize::from(!matches!(then, IsOff(_))), "{call}: {lines:?}");
        for ring in dead {
            ring.check_counts();
            assert_eq!(ring.ids(0), (0..100).collect::<Vec<_>>(), "{call}");
        }
    }
}

#[test]
fn a_call_that_is_denied_after_the_first_event() {
    for (call, _) in CALLS {
        let (dead, _) = run("denied-later", call);
        assert_eq!(dead.len(), 1, "{call}");
        dead[0].check_counts();
        assert_eq!(dead[0].counters.reported(), 100_001, "{call}");
    }
}

#[test]
fn a_flusher_that_may_not_wait_takes_no_processor() {
    let rings = folder();
    let since = Instant::now();
    let mut child = Run::new(c_program("host.c")).args(["denied-idle", "futex"]).preloaded(rings.path()).start();
    let times = loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        if since.elapsed() > Duration::from_secs(1) {
            break [fields[11], fields[12]].map(|ticks| ticks.parse::<u64>().expect("ticks"));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    child.kill().expect("kill");
    child.wait().expect("wait");
    // In hundredths of a second.
    assert!(times[0] + times[1] < 20, "{times:?}");
}
