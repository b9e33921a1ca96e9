//! Sidecar files: the snapshot and the call sites of a ring lie beside it, under its name, and are removed with it.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use ttmem_wire::{
    SnapshotError,
    sites::{MAX_SITES_BYTES, SITES_EXTENSION},
};

use super::snapshot::{SNAPSHOT_EXTENSION, UNFINISHED_EXTENSION, snapshot_path};
use crate::{RING_EXTENSION, sys::effective_uid};

/// Why a sidecar file can't be used.
#[derive(Debug)]
pub enum SidecarError {
    /// The system refused.
    Io(io::Error),
    /// It is no plain file of the user's own, or too large.
    NotOurs,
    /// Its content is none, or not this ring's.
    Content(SnapshotError),
}

impl fmt::Display for SidecarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NotOurs => write!(f, "not a plain file of this user's"),
            Self::Content(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SidecarError {}

impl From<io::Error> for SidecarError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens a plain file of the user's own, and says how long it is; `None` if there is none.
pub(super) fn open(path: &Path, longest: u64) -> Result<Option<(File, u64)>, SidecarError> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let length = length(&file, longest)?;
    Ok(Some((file, length)))
}

/// How long this plain file of the user's own is.
pub(super) fn length(file: &File, longest: u64) -> Result<u64, SidecarError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != effective_uid() || metadata.len() > longest {
        return Err(SidecarError::NotOurs);
    }
    Ok(metadata.len())
}

/// Removes a ring and its sidecar files. The ring first: a snapshot alone says nothing wrong, a ring that lost its
/// snapshot would.
///
/// # Errors
/// What kept the ring from being removed; that it was gone already is none.
pub fn remove_ring(ring: &Path) -> io::Result<()> {
    let removed = fs::remove_file(ring).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    if removed.is_ok() {
        let unfinished = ring.with_extension(UNFINISHED_EXTENSION);
        for path in [snapshot_path(ring), unfinished, sites_path(ring)] {
            let _ = fs::remove_file(path);
        }
    }
    removed
}

/// Where the call sites of a ring lie, if it has any.
pub fn sites_path(ring: &Path) -> PathBuf {
    let mut path = ring.as_os_str().to_owned();
    path.push(".");
    path.push(SITES_EXTENSION);
    path.into()
}

/// Opens the call sites of a ring, and says how long the file is; `None` if there are none.
///
/// # Errors
/// [`SidecarError`] says why they can't be used.
pub fn open_sites(ring: &Path) -> Result<Option<(File, u64)>, SidecarError> {
    open(&sites_path(ring), MAX_SITES_BYTES as u64)
}

/// The ring of a sidecar file, by their names.
fn ring_of(path: &Path) -> Option<PathBuf> {
    let extension = path.extension()?;
    let ring = if [SNAPSHOT_EXTENSION, UNFINISHED_EXTENSION].iter().any(|it| extension == *it) {
        path.with_extension(RING_EXTENSION)
    } else if extension == SITES_EXTENSION {
        path.with_extension("")
    } else {
        return None;
    };
    ring.extension().is_some_and(|extension| extension == RING_EXTENSION).then_some(ring)
}

/// Removes sidecar files in `folder` whose rings are gone; gives their names. A ring is always there first.
///
/// # Errors
/// What keeps the folder from being read.
pub fn remove_orphans(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut removed = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let is_orphan = ring_of(&path).is_some_and(|ring| fs::symlink_metadata(ring).is_err());
        if is_orphan && fs::remove_file(&path).is_ok() {
            removed.push(path);
        }
    }
    removed.sort();
    Ok(removed)
}
