//! The snapshot file beside a ring: what its older events add up to, so that their room can be used again.
//!
//! Who moves the tail holds the lock, writes a new file under a temporary name, gives it the snapshot's name, and only then
//! moves the tail. So at any moment, and after any death, snapshot and ring together are the whole story: the snapshot
//! says how far it goes, and the ring holds all that comes after.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use ttmem_wire::{MAX_SNAPSHOT_BYTES, Snapshot, SnapshotError, sites::SITES_EXTENSION};

use crate::{RING_EXTENSION, create, folder::effective_uid};

/// The ending of a snapshot's name; the rest is the ring's.
pub const SNAPSHOT_EXTENSION: &str = "snapshot";

/// The ending while it is written.
const UNFINISHED_EXTENSION: &str = "snapshot-new";

/// Why there is a snapshot that can't be used.
#[derive(Debug)]
pub enum SnapshotFileError {
    /// The system refused.
    Io(io::Error),
    /// It is no plain file of the user's own, or too large.
    NotOurs,
    /// Its content is none, or not this ring's.
    Content(SnapshotError),
}

impl fmt::Display for SnapshotFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NotOurs => write!(f, "not a plain file of this user's"),
            Self::Content(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SnapshotFileError {}

/// Where the snapshot of a ring lies, if it has one.
pub fn snapshot_path(ring: &Path) -> PathBuf {
    ring.with_extension(SNAPSHOT_EXTENSION)
}

/// Reads the snapshot of a ring and gives its content; `None` if it has none.
///
/// # Errors
/// [`SnapshotFileError`] says why it can't be used.
pub fn read_snapshot(ring: &Path, ring_id: u128) -> Result<Option<(Snapshot, Vec<u8>)>, SnapshotFileError> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(snapshot_path(ring)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(SnapshotFileError::Io)?,
    };
    let metadata = file.metadata().map_err(SnapshotFileError::Io)?;
    if !metadata.is_file() || metadata.uid() != effective_uid() || metadata.len() > MAX_SNAPSHOT_BYTES {
        return Err(SnapshotFileError::NotOurs);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(metadata.len() as usize).map_err(|error| SnapshotFileError::Io(error.into()))?;
    file.take(MAX_SNAPSHOT_BYTES).read_to_end(&mut bytes).map_err(SnapshotFileError::Io)?;
    let (snapshot, content) = Snapshot::decode(&bytes, ring_id).map_err(SnapshotFileError::Content)?;
    let header = bytes.len() - content.len();
    bytes.drain(..header);
    Ok(Some((snapshot, bytes)))
}

/// A snapshot that is written and has no name yet. Dropped, it is gone.
#[derive(Debug)]
pub struct UnnamedSnapshot {
    file: PathBuf,
    name: PathBuf,
}

impl UnnamedSnapshot {
    /// Writes it beside the ring. The caller holds the ring's lock, so there is one at a time; what one left that was
    /// killed is overwritten. Nothing is forced to a disk: the ring is memory too.
    ///
    /// # Errors
    /// Those of the system; nothing is left behind then.
    pub fn write(ring: &Path, snapshot: &Snapshot, content: &[u8]) -> io::Result<Self> {
        let header = snapshot.encode(content);
        // Growing a file beyond this limit would end the process with SIGXFSZ.
        create::check_size_limit((header.len() + content.len()) as u64)?;
        let written = Self { file: ring.with_extension(UNFINISHED_EXTENSION), name: snapshot_path(ring) };
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC;
        let mut options = OpenOptions::new();
        let mut file: File =
            options.write(true).create(true).truncate(true).mode(0o600).custom_flags(flags).open(&written.file)?;
        file.write_all(&header)?;
        file.write_all(content)?;
        Ok(written)
    }

    /// Gives it its name, in the place of the one before.
    ///
    /// # Errors
    /// Those of the system; the one before stays then.
    pub fn name(self) -> io::Result<()> {
        fs::rename(&self.file, &self.name)?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for UnnamedSnapshot {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// Removes a ring and what lies beside it. The ring first: a snapshot alone says nothing wrong, a ring that lost its
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
        for path in [snapshot_path(ring), ring.with_extension(UNFINISHED_EXTENSION), sites_path(ring)] {
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

/// The ring that a file lies beside, by their names.
fn ring_of(path: &Path) -> Option<PathBuf> {
    let extension = path.extension()?;
    let ring = if extension == SNAPSHOT_EXTENSION || extension == UNFINISHED_EXTENSION {
        path.with_extension(RING_EXTENSION)
    } else if extension == SITES_EXTENSION {
        path.with_extension("")
    } else {
        return None;
    };
    ring.extension().is_some_and(|extension| extension == RING_EXTENSION).then_some(ring)
}

/// Removes what lay beside rings in `folder` that are gone; gives the names. A ring is always there first.
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
