//! All rings of a folder, as they come and go.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use ttmem_ring::{RingReader, discover};

use crate::{Ended, Session};

/// Between looks for new rings.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Between rounds while events come.
const SHORT_NAP: Duration = Duration::from_millis(1);
/// Between rounds while none come.
const LONG_NAP: Duration = Duration::from_millis(10);
/// How long the kernel may take to drop the locks of a process that was waited for.
const AFTERMATH: Duration = Duration::from_secs(2);

/// Drains every ring of one folder.
#[derive(Debug)]
pub struct Drainer {
    folder: PathBuf,
    keep_live_at_marks: bool,
    sessions: Vec<Session>,
    known: BTreeSet<PathBuf>,
    complaints: Vec<String>,
}

impl Drainer {
    /// A drainer of the rings in `folder`, those to come included.
    pub fn new(folder: &Path, keep_live_at_marks: bool) -> Self {
        Self {
            folder: folder.to_path_buf(),
            keep_live_at_marks,
            sessions: Vec::new(),
            known: BTreeSet::new(),
            complaints: Vec::new(),
        }
    }

    /// Drains until `stop` is set.
    pub fn run_until(&mut self, stop: &AtomicBool) {
        let mut looked = None::<Instant>;
        let mut nap = SHORT_NAP;
        while !stop.load(Ordering::Acquire) {
            if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                self.look_for_rings();
                looked = Some(Instant::now());
            }
            nap = if self.advance() > 0 { SHORT_NAP } else { (nap * 2).min(LONG_NAP) };
            std::thread::sleep(nap);
        }
    }

    /// The last rounds: `child` was waited for and ended so. Its ring is drained to the end; those of processes that still
    /// run are drained once more.
    pub fn finish(&mut self, child: u32, ended: Ended) {
        self.look_for_rings();
        let deadline = Instant::now() + AFTERMATH;
        loop {
            self.advance();
            let child_is_over =
                self.sessions.iter().all(|session| session.is_over() || session.ring().header().pid != child);
            if child_is_over || Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(SHORT_NAP);
        }
        // Descendants that were ending too get a moment; a look for rings that they made last.
        std::thread::sleep(SHORT_NAP);
        self.look_for_rings();
        self.advance();
        for session in &mut self.sessions {
            let told = (session.ring().header().pid == child).then_some(ended);
            session.settle(told);
        }
    }

    fn look_for_rings(&mut self) {
        let Ok(rings) = discover(&self.folder) else { return };
        for path in rings {
            if !self.known.insert(path.clone()) {
                continue;
            }
            match RingReader::open(&path) {
                Ok(mut ring) => match ring.lock_for_draining() {
                    Ok(()) => self.sessions.push(Session::new(ring, self.keep_live_at_marks)),
                    Err(error) => self.complaints.push(format!("{}: {error}", path.display())),
                },
                Err(error) => self.complaints.push(format!("{}: {error}", path.display())),
            }
        }
    }

    fn advance(&mut self) -> u64 {
        self.sessions.iter_mut().map(Session::advance).sum()
    }

    /// The sessions, in the order in which their processes began.
    pub fn sessions(&mut self) -> &[Session] {
        self.sessions.sort_by_key(|session| session.ring().header().realtime_start_ns);
        &self.sessions
    }

    /// Rings that could not be drained, a line each.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }
}
