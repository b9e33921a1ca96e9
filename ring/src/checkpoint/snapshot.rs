//! The snapshot: a sidecar file with the state that the ring's older events add up to.
//!
//! The temporary and the final name change places, so the file of the last snapshot but one is written over for the next. New
//! memory for each would take as long as the copy, and freeing the old half of that, while events wait. A reader locks the file that it
//! reads; the writer leaves a locked file to its reader and makes another.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use ttmem_wire::{MAX_SNAPSHOT_BYTES, SNAPSHOT_HEADER_BYTES, Snapshot};

use super::sidecar::{self, SidecarError};
use crate::sys::{self, flock};

/// The ending of a snapshot's name; the rest is the ring's.
pub const SNAPSHOT_EXTENSION: &str = "snapshot";

/// The ending while it is written.
pub(crate) const UNFINISHED_EXTENSION: &str = "snapshot-new";

/// Where the snapshot of a ring lies, if it has one.
pub fn snapshot_path(ring: &Path) -> PathBuf {
    ring.with_extension(SNAPSHOT_EXTENSION)
}

/// How often it is tried to have a snapshot that keeps its name until it is locked. Before the next takes that, as many events must
/// come as a ring holds, or half of them.
const TRIES: usize = 16;

/// Opens the snapshot, and says how long it is; `None` if there is none. Nobody writes into it while it is open.
fn open_locked(path: &Path) -> Result<Option<(File, u64)>, SidecarError> {
    let mut tries_left = TRIES;
    loop {
        let Some((file, _)) = sidecar::open(path, MAX_SNAPSHOT_BYTES)? else { return Ok(None) };
        tries_left -= 1;
        // Else it has lost its name since, and the next is written into it; or was, by somebody who is gone.
        if (flock(&file, libc::LOCK_SH).is_ok() && has_name(&file, path)) || tries_left == 0 {
            // Only now: two snapshots may have been written since it was opened, of which this file has the second.
            let bytes = sidecar::length(&file, MAX_SNAPSHOT_BYTES)?;
            return Ok(Some((file, bytes)));
        }
        std::thread::yield_now();
    }
}

/// Whether this file is what the path names.
fn has_name(file: &File, path: &Path) -> bool {
    let identity = |metadata: io::Result<fs::Metadata>| metadata.ok().as_ref().map(sys::identity);
    identity(file.metadata()) == identity(fs::symlink_metadata(path))
}

/// Reads the snapshot of a ring and gives its content; `None` if it has none.
///
/// # Errors
/// [`SidecarError`] says why it can't be used.
pub fn read_snapshot(ring: &Path, ring_id: u128) -> Result<Option<(Snapshot, Vec<u8>)>, SidecarError> {
    let Some((file, bytes_long)) = open_locked(&snapshot_path(ring))? else { return Ok(None) };
    // Before room is made for its content.
    let mut bytes = Vec::new();
    Read::by_ref(&mut &file).take(SNAPSHOT_HEADER_BYTES as u64).read_to_end(&mut bytes)?;
    Snapshot::check_length(&bytes, bytes_long).map_err(SidecarError::Content)?;
    bytes.try_reserve_exact(bytes_long as usize).map_err(io::Error::from)?;
    file.take(MAX_SNAPSHOT_BYTES).read_to_end(&mut bytes)?;
    let (snapshot, content) = Snapshot::decode(&bytes, ring_id).map_err(SidecarError::Content)?;
    let header = bytes.len() - content.len();
    bytes.drain(..header);
    Ok(Some((snapshot, bytes)))
}

/// How far the snapshot of a ring says that it goes: its content is not looked at. `None` if there is none of this ring.
pub fn snapshot_position(ring: &Path, ring_id: u128) -> Option<u64> {
    let (file, _) = open_locked(&snapshot_path(ring)).ok()??;
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
    /// Writes it beside the ring. The caller holds the tail lock, so there is one at a time; what a killed writer left is
    /// overwritten. Nothing is forced to a disk: the ring is memory too.
    ///
    /// # Errors
    /// Those of the system; nothing is left behind then.
    pub fn write(ring: &Path, snapshot: &Snapshot, content: &[u8]) -> io::Result<Self> {
        let header = snapshot.encode(content);
        // Growing a file beyond this limit would end the process with SIGXFSZ.
        sys::check_size_limit((header.len() + content.len()) as u64)?;
        let written = Self { file: ring.with_extension(UNFINISHED_EXTENSION), name: snapshot_path(ring) };
        let file = written.open()?;
        file.write_all_at(&header, 0)?;
        file.write_all_at(content, header.len() as u64)?;
        let end = (header.len() + content.len()) as u64;
        if file.metadata()?.len() > end {
            file.set_len(end)?;
        }
        // By hand: a child that another thread forks holds the open file, and so the lock, until it execs.
        let _ = flock(&file, libc::LOCK_UN);
        Ok(written)
    }

    /// The file of the last snapshot but one, or another if somebody still reads that.
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        let file = options.open(&self.file)?;
        if flock(&file, libc::LOCK_EX).is_ok() {
            return Ok(file);
        }
        fs::remove_file(&self.file)?;
        let file = options.open(&self.file)?;
        let _ = flock(&file, libc::LOCK_EX);
        Ok(file)
    }

    /// Gives it its name, in the place of the one before, whose file is the next one's.
    ///
    /// # Errors
    /// Those of the system; the one before stays then.
    pub fn name(self) -> io::Result<()> {
        // The first has nothing to change places with, and some file systems do not know how.
        if !exchange(&self.file, &self.name) {
            fs::rename(&self.file, &self.name)?;
        }
        std::mem::forget(self);
        Ok(())
    }
}

/// Two files change places; false if they can't.
fn exchange(one: &Path, other: &Path) -> bool {
    let [Ok(one), Ok(other)] = [one, other].map(|path| CString::new(path.as_os_str().as_bytes())) else { return false };
    let here = libc::AT_FDCWD;
    // SAFETY: both are NUL-terminated and live as long as the call.
    let done =
        unsafe { libc::syscall(libc::SYS_renameat2, here, one.as_ptr(), here, other.as_ptr(), libc::RENAME_EXCHANGE) };
    done == 0
}

impl Drop for UnnamedSnapshot {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// Writes a snapshot that goes so far, with as many bytes.
    fn write(ring: &Path, position: u64, bytes: usize) {
        let snapshot = Snapshot { ring_id: 7, position, missing: 0 };
        UnnamedSnapshot::write(ring, &snapshot, &vec![position as u8; bytes]).unwrap().name().unwrap();
    }

    fn check(ring: &Path, position: u64, bytes: usize) {
        let (snapshot, content) = read_snapshot(ring, 7).unwrap().unwrap();
        assert_eq!((snapshot.position, content), (position, vec![position as u8; bytes]));
        assert_eq!(snapshot_position(ring, 7), Some(position));
    }

    fn inode(path: &Path) -> u64 {
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn two_files_change_places() {
        let folder = tempfile::tempdir().unwrap();
        let ring = folder.path().join("1-2.ring");
        assert!(read_snapshot(&ring, 7).unwrap().is_none());
        let mut inodes = Vec::new();
        for (position, bytes) in [(1, 9000), (2, 20_000), (3, 0), (4, 10_000), (5, 10_000)] {
            write(&ring, position, bytes);
            check(&ring, position, bytes);
            inodes.push(inode(&snapshot_path(&ring)));
        }
        assert_eq!((inodes[0], inodes[1]), (inodes[2], inodes[3]), "and no third is made");
        // What a killed writer left is written over too.
        fs::write(ring.with_extension(UNFINISHED_EXTENSION), vec![0xA5; 50_000]).unwrap();
        write(&ring, 6, 100);
        check(&ring, 6, 100);
        // One that gets no name is gone, and the one before stays.
        drop(UnnamedSnapshot::write(&ring, &Snapshot { ring_id: 7, position: 9, missing: 0 }, &[9]).unwrap());
        check(&ring, 6, 100);
        assert!(!ring.with_extension(UNFINISHED_EXTENSION).exists());
    }

    #[test]
    fn a_file_that_is_read_is_left_to_its_reader() {
        let folder = tempfile::tempdir().unwrap();
        let ring = folder.path().join("1-2.ring");
        write(&ring, 1, 5000);
        let (mut file, _) = open_locked(&snapshot_path(&ring)).unwrap().unwrap();
        (2..6).for_each(|position| write(&ring, position, 5000));
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(Snapshot::decode(&bytes, 7).unwrap().1, vec![1; 5000]);
        check(&ring, 5, 5000);
    }

    #[test]
    fn who_reads_while_others_are_left_gets_one_that_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let ring = folder.path().join("1-2.ring");
        write(&ring, 1, 3000);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (2..3000).for_each(|position| write(&ring, position, position as usize)));
            let mut last = 1;
            while !writer.is_finished() {
                let (snapshot, content) = read_snapshot(&ring, 7).unwrap().unwrap();
                assert!(content.iter().all(|&byte| byte == snapshot.position as u8));
                assert!(snapshot.position >= last, "{} after {last}", snapshot.position);
                last = snapshot.position;
            }
        });
    }
}
