//! The process that is followed, and its rings as they come.

use std::path::{Path, PathBuf};

use ttmem_ring::{RING_EXTENSION, RingReader, discover};

use crate::{Failure, Session};

/// Which process to follow.
#[derive(Clone, Debug)]
pub enum Target {
    /// The process with this id, by any ring of it in these folders, those to come included. A ring is removed once it is drained to
    /// its end.
    Process {
        /// Its id.
        pid: u32,
        /// Where it may make rings.
        folders: Vec<PathBuf>,
    },
    /// The process of this ring.
    Ring(PathBuf),
}

impl Target {
    /// The id of the process, where it is what the process was chosen by.
    pub(super) fn pid(&self) -> Option<u32> {
        match self {
            Self::Process { pid, .. } => Some(*pid),
            Self::Ring(_) => None,
        }
    }

    /// The ring files that are there now.
    pub(crate) fn rings(&self) -> Vec<PathBuf> {
        match self {
            Self::Process { pid, folders } => folders.iter().flat_map(|folder| rings_of(*pid, folder)).collect(),
            Self::Ring(path) => vec![path.clone()],
        }
    }

    /// Begins to drain a ring; `None` if it is of an earlier process that had the same id.
    ///
    /// # Errors
    /// If it is no ring, or another reader drains it.
    pub(super) fn drain(&self, path: &Path) -> Result<Option<Session>, Failure> {
        let ring = RingReader::open(path).map_err(|error| Failure::with(path, error))?;
        if self.pid().is_some_and(|pid| ring.header().pid != pid || !ring.is_alive()) {
            return Ok(None);
        }
        Session::draining(ring, false).map(Some).map_err(|error| Failure::with(path, error))
    }
}

/// The ring files of a process in a folder: their names begin with its id.
fn rings_of(pid: u32, folder: &Path) -> Vec<PathBuf> {
    let begin = format!("{pid}-");
    let is_its = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&begin) && name.ends_with(RING_EXTENSION)
    };
    discover(folder).unwrap_or_default().into_iter().filter(is_its).collect()
}
