//! A file to replay: a recording, or the ring of a process.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use ttmem_recording::Reader;
use ttmem_ring::{RING_EXTENSION, RingReader};
use ttmem_wire::{Record, SNAPSHOT_MAGIC, sites::SITES_MAGIC};

use crate::{Failure, Session, account::unanswered, plain_file, progress::Watched};

/// Bytes that are read from a recording at once.
const BUFFER: usize = 1 << 20;

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// What `ttmem record` writes.
    Recording,
    /// The ring of a process.
    Ring,
    /// A file beside a ring: its call sites, or its checkpoint.
    Sidecar,
    /// What `--json` writes, most likely.
    Json,
    /// Nothing of ours.
    Unknown,
}

impl FileKind {
    /// Looks at the first bytes of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let mut first = Vec::with_capacity(8);
        let file = plain_file::open(path)?;
        file.take(8).read_to_end(&mut first).map_err(|error| Failure::with(path, error))?;
        Ok(match &first[..] {
            start if *start == ttmem_recording::MAGIC => Self::Recording,
            start if *start == ttmem_wire::MAGIC => Self::Ring,
            start if *start == SNAPSHOT_MAGIC || *start == SITES_MAGIC.to_le_bytes() => Self::Sidecar,
            start if start.trim_ascii_start().starts_with(b"{") => Self::Json,
            _ => Self::Unknown,
        })
    }

    /// Why events cannot be read from a file of this kind; `None` if they can.
    pub(crate) fn refusal(self, path: &Path) -> Option<Failure> {
        let why = match self {
            Self::Recording | Self::Ring => return None,
            Self::Sidecar => {
                let ring = path.file_stem().map_or_else(PathBuf::new, |stem| path.with_file_name(stem));
                let ring = ring.with_extension(RING_EXTENSION);
                return Some(Failure::with(
                    path,
                    format!("a sidecar file of a ring; name the ring, {}", ring.display()),
                ));
            }
            Self::Json => "a report in JSON, which `ttmem diff` alone reads; name a recording or a ring",
            Self::Unknown => "neither a recording nor a ring",
        };
        Some(Failure::with(path, why))
    }
}

/// A recording or a ring. A recording is read anew by each replay; of a ring there is a copy.
#[derive(Debug)]
pub struct Input {
    path: PathBuf,
    ring: Option<Box<RingCopy>>,
    /// Whether accounts keep what is live at each mark.
    pub(super) live_at_marks: bool,
}

/// What a ring had when it was opened. A ring that is read again may have other events.
#[derive(Debug)]
pub(super) struct RingCopy {
    /// Has read the ring to its end.
    pub(super) session: Session,
    pub(super) records: Vec<Record>,
    /// What the allocator was being asked for when the process aborted.
    pub(super) last_words: Vec<Record>,
}

impl Input {
    /// Opens a recording, or copies what a ring has; takes nothing out of the ring. Accounts keep what is live at each mark if
    /// that is wanted.
    ///
    /// # Errors
    /// If the file cannot be read, or is neither.
    pub fn open(path: &Path, live_at_marks: bool) -> Result<Self, Failure> {
        let kind = FileKind::of(path)?;
        if let Some(failure) = kind.refusal(path) {
            return Err(failure);
        }
        let ring = if kind == FileKind::Ring {
            let mut records = Vec::new();
            let session = read_ring(path, live_at_marks, &mut |some| records.extend_from_slice(some))?;
            let last_words = unanswered(&session.last_words());
            Some(Box::new(RingCopy { session, records, last_words }))
        } else {
            None
        };
        Ok(Self { path: path.to_owned(), ring, live_at_marks })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn ring(&self) -> Option<&RingCopy> {
        self.ring.as_deref()
    }

    /// The session that read the ring; `None` of a recording.
    pub(crate) fn into_session(self) -> Option<Session> {
        self.ring.map(|ring| ring.session)
    }

    /// The recording from its beginning.
    pub(super) fn reader(&self) -> Result<Reader<BufReader<Watched<File>>>, Failure> {
        open_recording(&self.path)
    }

    pub(super) fn failed(&self, why: impl std::fmt::Display) -> Failure {
        Failure::with(&self.path, why)
    }
}

/// Opens a recording.
pub(super) fn open_recording(path: &Path) -> Result<Reader<BufReader<Watched<File>>>, Failure> {
    let file = plain_file::open(path)?;
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let watched = Watched::new(file, path.display().to_string(), bytes);
    Reader::new(BufReader::with_capacity(BUFFER, watched)).map_err(|why| Failure::with(path, why))
}

/// Reads all that a ring has, and shows the records to `keep`; takes nothing out of it.
pub(crate) fn read_ring(path: &Path, live_at_marks: bool, keep: &mut dyn FnMut(&[Record])) -> Result<Session, Failure> {
    let ring = RingReader::open(path).map_err(|error| Failure::with(path, error))?;
    let mut session = Session::looking(ring, live_at_marks);
    session.advance_with(&mut |_, records| keep(records));
    session.settle(None);
    match session.trouble().filter(|_| session.is_truncated()) {
        Some(trouble) => Err(Failure::with(path, trouble)),
        None => Ok(session),
    }
}
