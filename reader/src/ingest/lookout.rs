//! All rings of a machine, only looked at: what another reader drains, it goes on draining.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::{Duration, Instant},
};

use ttmem_ring::{RingReader, discover};

use crate::{Session, visible::visible};

/// Between looks for new rings: reading folders costs more than reading rings.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Looks at the rings of processes that run, as they come and go.
pub struct Lookout {
    folders: Box<dyn Fn() -> Vec<PathBuf> + Send>,
    looked: Option<Instant>,
    sessions: Vec<Session>,
    /// Rings that are looked at, or were, or cannot be: as long as they are there.
    known: BTreeSet<PathBuf>,
    refused: BTreeMap<PathBuf, String>,
}

impl std::fmt::Debug for Lookout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookout")
            .field("sessions", &self.sessions)
            .field("refused", &self.refused)
            .finish_non_exhaustive()
    }
}

impl Lookout {
    /// Over the rings in what `folders` gives each time.
    pub fn new(folders: impl Fn() -> Vec<PathBuf> + Send + 'static) -> Self {
        Self {
            folders: Box::new(folders),
            looked: None,
            sessions: Vec::new(),
            known: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Takes note of what has come, and forgets the processes that have gone; returns the number of events.
    pub fn advance(&mut self) -> u64 {
        self.advance_each(&mut Session::advance)
    }

    /// The same, with each session advanced by `advance`.
    pub(crate) fn advance_each(&mut self, advance: &mut dyn FnMut(&mut Session) -> u64) -> u64 {
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.look_for_rings();
            self.looked = Some(Instant::now());
        }
        let events = self.sessions.iter_mut().map(advance).sum();
        for session in self.sessions.iter().filter(|session| session.is_truncated()) {
            let trouble = session.trouble().unwrap_or_default().to_owned();
            self.refused.insert(session.path().to_path_buf(), trouble);
        }
        self.sessions.retain(|session| !session.is_over());
        events
    }

    fn look_for_rings(&mut self) {
        let rings: BTreeSet<PathBuf> =
            (self.folders)().iter().flat_map(|folder| discover(folder).unwrap_or_default()).collect();
        self.known.retain(|path| rings.contains(path));
        self.refused.retain(|path, _| rings.contains(path));
        for path in rings {
            if self.known.contains(&path) {
                continue;
            }
            match RingReader::open(&path) {
                // What a dead process held is for `ttmem ls` and `ttmem report`.
                Ok(ring) if ring.is_alive() => self.sessions.push(Session::looking(ring, false)),
                Ok(_) => {}
                Err(_) if !path.exists() => continue,
                Err(error) => {
                    self.refused.insert(path.clone(), error.to_string());
                }
            }
            self.known.insert(path);
        }
        self.sessions.sort_by_key(|session| session.header().realtime_start_ns);
    }

    /// The processes that run, in the order in which they began.
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Rings that could not be read, a line each.
    pub fn complaints(&self) -> impl Iterator<Item = String> {
        self.refused.iter().map(|(path, why)| visible(&format!("{}: {why}", path.display())).into_owned())
    }
}
