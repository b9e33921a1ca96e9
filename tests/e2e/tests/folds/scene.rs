//! A program that reports steadily, its ring, and the report on it.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Child,
};

use tempfile::TempDir;
use ttmem_e2e::{Report, Run, Steady, command, folder, ring_files, wait_for};

pub(crate) const SMALL: Steady = Steady::SMALL;

/// One run: the rings, and the words that the program writes.
pub(crate) struct Scene {
    pub(crate) steady: Steady,
    pub(crate) rings: TempDir,
    files: TempDir,
    pub(crate) child: Child,
}

impl Scene {
    pub(crate) fn start(steady: Steady) -> Self {
        Self::start_with(steady, |run| run)
    }

    pub(crate) fn start_with(steady: Steady, change: impl FnOnce(Run) -> Run) -> Self {
        let (rings, files) = (folder(), folder());
        let child = change(steady.run(&files.path().join("words")).preloaded(rings.path())).start();
        Self { steady, rings, files, child }
    }

    /// How many calls of each thread have returned.
    pub(crate) fn returned(&self) -> Vec<u64> {
        self.steady.returned(&self.files.path().join("words"))
    }

    pub(crate) fn ring(&self) -> PathBuf {
        wait_for("a ring", || ring_files(self.rings.path()).pop())
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.ring().with_extension("snapshot")
    }

    /// Until the second snapshot is there: only then the ring has let go of what the first one has.
    pub(crate) fn wait_until_folded(&self) {
        let look = || fs::metadata(self.snapshot()).ok().map(|file| (file.ino(), file.mtime_nsec()));
        let first = wait_for("a snapshot", look);
        wait_for("the next snapshot", || look().filter(|next| *next != first));
    }

    pub(crate) fn report(&self) -> Report {
        report(&self.ring(), self.files.path())
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("waiting for the killed");
        // The kernel may take a moment to drop the locks.
        let ring =
            ring_files(self.rings.path()).pop().map(|ring| ttmem_ring::RingReader::open(&ring).expect("the ring"));
        wait_for("end of its lock", || ring.as_ref().is_none_or(|ring| !ring.is_alive()).then_some(()));
    }

    /// The report of a program that is killed: at least what had returned, and at most one event more of each thread.
    pub(crate) fn check_dead(&self) {
        let returned = self.returned();
        let most: Vec<u64> = returned.iter().map(|events| events + 1).collect();
        self.steady.check(self.report().process(), &returned, &most);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn report(ring: &Path, files: &Path) -> Report {
    let json = files.join("report.json");
    let outcome = Run::new(command()).args(["report", "--quiet", "--json"]).arg(&json).arg(ring).outcome();
    assert_eq!((outcome.code(), &*outcome.stderr), (0, ""));
    Report::parse(&fs::read_to_string(&json).expect("the report"))
}

/// One that leaves the rings where they are.
pub(crate) fn keeping_drainer(rings: &Path) -> ttmem_reader::Drainer {
    ttmem_reader::Drainer::new(rings, ttmem_reader::Keep { live_at_marks: false, rings: true })
}
