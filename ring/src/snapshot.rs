//! The snapshot file beside a ring: what its older events add up to, so that their room can be used again.
//!
//! Who moves the tail holds the lock, writes a new file under a temporary name, gives it the snapshot's name, and only then
//! moves the tail. So at any moment, and after any death, snapshot and ring together are the whole story: the snapshot
//! says how far it goes, and the ring holds all that comes after.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use ttmem_wire::{MAX_SNAPSHOT_BYTES, SNAPSHOT_HEADER_BYTES, Snapshot};

use crate::{
    beside::{self, BesideError},
    create,
};

/// The ending of a snapshot's name; the rest is the ring's.
pub const SNAPSHOT_EXTENSION: &str = "snapshot";

/// The ending while it is written.
pub(crate) const UNFINISHED_EXTENSION: &str = "snapshot-new";

/// Where the snapshot of a ring lies, if it has one.
pub fn snapshot_path(ring: &Path) -> PathBuf {
    ring.with_extension(SNAPSHOT_EXTENSION)
}

/// Reads the snapshot of a ring and gives its content; `None` if it has none.
///
/// # Errors
/// [`BesideError`] says why it can't be used.
pub fn read_snapshot(ring: &Path, ring_id: u128) -> Result<Option<(Snapshot, Vec<u8>)>, BesideError> {
    let Some((file, bytes_long)) = beside::open(&snapshot_path(ring), MAX_SNAPSHOT_BYTES)? else { return Ok(None) };
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(bytes_long as usize).map_err(io::Error::from)?;
    file.take(MAX_SNAPSHOT_BYTES).read_to_end(&mut bytes)?;
    let (snapshot, content) = Snapshot::decode(&bytes, ring_id).map_err(BesideError::Content)?;
    let header = bytes.len() - content.len();
    bytes.drain(..header);
    Ok(Some((snapshot, bytes)))
}

/// How far the snapshot of a ring says that it goes: its content is not looked at. `None` if there is none of this ring.
pub fn snapshot_position(ring: &Path, ring_id: u128) -> Option<u64> {
    let (file, _) = beside::open(&snapshot_path(ring), MAX_SNAPSHOT_BYTES).ok()??;
    let mut header = [0; SNAPSHOT_HEADER_BYTES];
    file.read_exact_at(&mut header, 0).ok()?;
    Snapshot::peek(&header).ok().filter(|snapshot| snapshot.ring_id == ring_id).map(|snapshot| snapshot.position)
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
