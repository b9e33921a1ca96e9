//! The journal: a sidecar file with the records that were released since the last snapshot.
//!
//! A snapshot costs by what is live, a journal by what happened: some 10 ns a record.
//!
//! A journal is begun only at a snapshot that has its name. It is begun in the same file, over the one before: new memory for each
//! would cost as much as the copy. So what lies in the file behind the tail may be of the one before, and nobody takes it. Where
//! records are released that could be written nowhere, the file is cut there before.
//!
//! A reader without the tail lock opens the journal before the snapshot, and checks after each read whether it was begun anew.
//! If so, a newer snapshot has all that the journal had when it was opened.
//!
//! The file is opened for each append and closed again: a run may have hundreds of rings, and a descriptor that is kept would not
//! notice that the file was removed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use ttmem_wire::{JOURNAL_HEADER_BYTES, Journal, MAX_JOURNAL_BYTES, Record};

use super::{
    Tail,
    sidecar::{self, SidecarError},
};
use crate::{Slot, failpoint::failpoint, sys};

/// The ending of a journal's name; the rest is the ring's.
pub const JOURNAL_EXTENSION: &str = "journal";

/// Where the journal of a ring lies, if it has one.
pub fn journal_path(ring: &Path) -> PathBuf {
    ring.with_extension(JOURNAL_EXTENSION)
}

/// Removes the journal of a ring: when a snapshot that goes as far has its name. Best effort: one that stays has nothing
/// that is needed.
pub fn remove_journal(ring: &Path) {
    let _ = fs::remove_file(journal_path(ring));
}

/// A journal that is being written, by the holder of the tail lock.
#[derive(Debug)]
pub struct JournalWriter {
    journal: Journal,
    /// Bytes of it.
    bytes: u64,
    /// Bytes of the file: more, where the one before was longer.
    file_bytes: u64,
    /// Device and number of the file.
    identity: (u64, u64),
}

impl JournalWriter {
    /// Begins the journal, in a new file, with the unreleased records. There must be a
    /// snapshot that goes to the first of them.
    ///
    /// # Errors
    /// Those of the system; what there is then is of no use.
    pub fn begin(ring: &impl Tail) -> io::Result<Self> {
        let path = journal_path(ring.path());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        let file = options.open(&path).or_else(|error| {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(error);
            }
            fs::remove_file(&path)?;
            options.open(&path)
        })?;
        let metadata = file.metadata()?;
        let identity = sys::identity(&metadata);
        let mut writer = Self { journal: Journal::default(), bytes: 0, file_bytes: 0, identity };
        writer.begin_in(&file, ring)?;
        Ok(writer)
    }

    /// The same in the file of the one before, which is given up.
    ///
    /// # Errors
    /// As of [`JournalWriter::append`].
    pub fn begin_anew(&mut self, ring: &impl Tail) -> io::Result<()> {
        let file = self.open(ring)?;
        self.begin_in(&file, ring)
    }

    fn begin_in(&mut self, file: &File, ring: &impl Tail) -> io::Result<()> {
        let (first, parts) = unreleased(ring)?;
        check_size(JOURNAL_HEADER_BYTES as u64 + bytes_of(&parts))?;
        let journal = Journal { ring_id: ring.header().ring_id, first };
        file.write_all_at(&journal.encode(), 0)?;
        self.journal = journal;
        self.bytes = JOURNAL_HEADER_BYTES as u64;
        failpoint("journal-begun");
        self.write(file, parts)
    }

    /// Appends the unreleased records. They may be released then.
    ///
    /// # Errors
    /// Those of the system, or it is not the file that was begun, or they do not come next. The journal is not to be
    /// written to any more; what was written before stays sound.
    pub fn append(&mut self, ring: &impl Tail) -> io::Result<()> {
        let (first, parts) = unreleased(ring)?;
        if first != self.journal.end(self.bytes) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        check_size(self.bytes + bytes_of(&parts))?;
        let file = self.open(ring)?;
        self.write(&file, parts)
    }

    /// Cuts off what is not of this journal: nothing that comes will be written to it.
    ///
    /// # Errors
    /// Those of the system, or it is not the file that was begun.
    pub fn end_here(&self, ring: &impl Tail) -> io::Result<()> {
        self.open(ring)?.set_len(self.bytes)
    }

    /// How large it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How large its file is.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    fn open(&self, ring: &impl Tail) -> io::Result<File> {
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let file = OpenOptions::new().write(true).custom_flags(flags).open(journal_path(ring.path()))?;
        let metadata = file.metadata()?;
        let is_ours = sys::identity(&metadata) == self.identity && metadata.len() >= self.bytes;
        if is_ours { Ok(file) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    fn write(&mut self, file: &File, parts: [&[Slot]; 2]) -> io::Result<()> {
        for slots in parts {
            write_slots(file, slots, self.bytes)?;
            self.bytes += size_of_val(slots) as u64;
            self.file_bytes = self.file_bytes.max(self.bytes);
        }
        failpoint("journal-appended");
        Ok(())
    }
}

fn unreleased(ring: &impl Tail) -> io::Result<(u64, [&[Slot]; 2])> {
    ring.unreleased_slots().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether a journal may become so large.
fn check_size(bytes: u64) -> io::Result<()> {
    if bytes > MAX_JOURNAL_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    sys::check_size_limit(bytes)
}

fn bytes_of(parts: &[&[Slot]; 2]) -> u64 {
    parts.iter().map(|slots| size_of_val(*slots) as u64).sum()
}

/// Writes slots as they lie in memory: from the ring into the file, with no copy of our own between.
fn write_slots(file: &File, slots: &[Slot], offset: u64) -> io::Result<()> {
    let bytes = size_of_val(slots);
    let mut done = 0;
    while done < bytes {
        let at = (offset + done as u64) as libc::off_t;
        // SAFETY: the descriptor is valid, and so are the bytes from `done` on, as long as `slots` is borrowed. The kernel reads
        // them whatever another process writes there meanwhile, and no reference to plain bytes is made.
        let written = unsafe {
            libc::pwrite(file.as_raw_fd(), slots.as_ptr().cast::<libc::c_void>().byte_add(done), bytes - done, at)
        };
        match written {
            1.. => done += written as usize,
            0 => return Err(io::ErrorKind::WriteZero.into()),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// A journal that is read.
#[derive(Debug)]
pub struct JournalReader {
    file: File,
    journal: Journal,
    header: [u8; JOURNAL_HEADER_BYTES],
    end: u64,
    bytes: Vec<u8>,
}

/// Opens the journal of a ring; `None` if it has none, or one that nobody got to put anything into.
///
/// # Errors
/// [`SidecarError`] says why it can't be used.
pub fn open_journal(ring: &Path, ring_id: u128) -> Result<Option<JournalReader>, SidecarError> {
    let Some((file, length)) = sidecar::open(&journal_path(ring), MAX_JOURNAL_BYTES)? else { return Ok(None) };
    if length < JOURNAL_HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut header = [0; JOURNAL_HEADER_BYTES];
    file.read_exact_at(&mut header, 0)?;
    let journal = Journal::decode(&header, ring_id).map_err(SidecarError::Content)?;
    Ok(Some(JournalReader { file, journal, header, end: journal.end(length), bytes: Vec::new() }))
}

impl JournalReader {
    /// How many records the ring had before the first of it.
    pub fn first(&self) -> u64 {
        self.journal.first
    }

    /// It goes no further than this: how many records the ring had before the first that has no place in the file. Those behind
    /// the ring's tail may be of an older journal.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether another was begun in its file since it was opened: then what was read last may be of that one. For readers without
    /// the tail lock.
    pub fn was_begun_anew(&self) -> bool {
        let mut header = [0; JOURNAL_HEADER_BYTES];
        self.file.read_exact_at(&mut header, 0).is_err() || header != self.header
    }

    /// Appends the records from `position` on, up to `max`; returns how many: none where it has no more.
    ///
    /// # Errors
    /// Those of the system; nothing is appended then.
    pub fn read(&mut self, position: u64, max: usize, out: &mut Vec<Record>) -> io::Result<usize> {
        let count = self.end.saturating_sub(position).min(max as u64) as usize;
        let Some(offset) = self.journal.offset(position).filter(|_| count > 0) else { return Ok(0) };
        self.bytes.resize(count * size_of::<Record>(), 0);
        self.file.read_exact_at(&mut self.bytes, offset)?;
        out.extend(Journal::records(&self.bytes));
        Ok(count)
    }
}
