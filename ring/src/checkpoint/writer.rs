//! Writes checkpoints, and decides which kind: a snapshot now and then, and the records themselves in a journal between two of them.

use std::io;

use ttmem_wire::{JOURNAL_HEADER_BYTES, MAX_JOURNAL_BYTES, RECORD_WORDS, Snapshot};

use super::{JournalWriter, Tail, UnnamedSnapshot, remove_journal};
use crate::{failpoint::failpoint, sys::space};

/// Bytes of a record.
const RECORD_BYTES: u64 = RECORD_WORDS as u64 * 8;

/// A byte of a snapshot takes about as long as so many of a journal: the snapshot walks the ledger, the journal copies the
/// ring's memory as it is (1.2 and 0.2 ns).
const SNAPSHOT_BYTE: u64 = 6;

/// A journal may become so many times as long as the snapshot that it goes on from. Then snapshots, during which events wait, are
/// rare, and the next reader has no more than some twenty events to apply for each allocation that it restores.
const TIMES_THE_SNAPSHOT: u64 = 48;

/// And it takes no more than this part of what is free where it lies: other files need memory too.
const PART_OF_FREE: u64 = 8;

/// What a checkpoint consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointMethod {
    /// A new snapshot each time.
    Snapshots,
    /// Snapshots, and a journal between them.
    SnapshotsAndJournal,
}

/// Writes the checkpoints of one ring, as long as nobody else does.
#[derive(Debug)]
pub struct CheckpointWriter {
    method: CheckpointMethod,
    /// The last snapshot that this writer named; `None` before the first, and after a failure.
    snapshot: Option<LastSnapshot>,
    /// The journal, and its file for the next.
    journal: Option<JournalWriter>,
    /// Whether the journal goes on from the last snapshot. Else it is to be begun.
    is_begun: bool,
    /// The last snapshot's bytes, for the next.
    saved: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct LastSnapshot {
    position: u64,
    bytes: u64,
}

impl LastSnapshot {
    /// Whether another one like it takes longer than so many bytes of a journal.
    fn is_dearer_than(self, journal_bytes: u64) -> bool {
        self.bytes * SNAPSHOT_BYTE > journal_bytes
    }
}

impl CheckpointWriter {
    /// A writer that has written nothing yet.
    pub fn new(method: CheckpointMethod) -> Self {
        Self { method, snapshot: None, journal: None, is_begun: false, saved: Vec::new() }
    }

    /// Whether so much was read that it is to be released.
    ///
    /// An idle reader releases a sixteenth of the ring: the next burst finds it empty. Else it is an eighth where that goes
    /// into the journal, which costs by the record (what is written then is still in the processor's cache), and half of the ring
    /// where a snapshot is written.
    pub fn is_due(&self, tail: &impl Tail, is_idle: bool) -> bool {
        let slots = tail.header().ring_slots;
        let eighth = slots / 8 * RECORD_BYTES;
        let journal_comes =
            self.has_journal() && (self.is_begun || self.snapshot.is_some_and(|last| last.is_dearer_than(eighth)));
        let part = match (is_idle, journal_comes) {
            (true, _) => 16,
            (false, true) => 8,
            (false, false) => 2,
        };
        tail.unreleased() >= (slots / part).max(1)
    }

    /// Writes a checkpoint of all that was read, and releases it. `save` gives the state, in the buffer that it is given; `missing`
    /// counts the records that are not in it.
    ///
    /// # Errors
    /// Those of the system, or there is no state. The checkpoint before stays, with what it has, and nothing is released.
    pub fn write(
        &mut self,
        tail: &mut impl Tail,
        missing: u64,
        save: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>,
    ) -> io::Result<()> {
        if !self.append(tail) {
            self.write_snapshot(tail, missing, save)?;
        }
        tail.release();
        failpoint("released");
        Ok(())
    }

    fn has_journal(&self) -> bool {
        self.method == CheckpointMethod::SnapshotsAndJournal
    }

    /// Into the journal, if that is allowed and possible.
    fn append(&mut self, tail: &impl Tail) -> bool {
        let Some(last) = self.snapshot.filter(|_| self.has_journal()) else { return false };
        let new = tail.unreleased().saturating_mul(RECORD_BYTES);
        let file_bytes = self.journal.as_ref().map_or(0, JournalWriter::file_bytes);
        let longest = longest(tail, last, file_bytes);
        let tried = match &mut self.journal {
            Some(journal) if self.is_begun => {
                if journal.bytes().saturating_add(new) > longest {
                    return false;
                }
                journal.append(tail)
            }
            journal => {
                let is_behind = tail.position() - tail.unreleased() <= last.position;
                if !is_behind || !last.is_dearer_than(new) || new.saturating_add(JOURNAL_HEADER_BYTES as u64) > longest
                {
                    return false;
                }
                match journal {
                    Some(journal) => journal.begin_anew(tail),
                    None => JournalWriter::begin(tail).map(|begun| *journal = Some(begun)),
                }
            }
        };
        self.is_begun = tried.is_ok();
        if !self.is_begun {
            // Its file is of no more use, but for what it has: that goes when a snapshot has it.
            self.snapshot = None;
        }
        self.is_begun
    }

    fn write_snapshot(
        &mut self,
        tail: &impl Tail,
        missing: u64,
        save: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>,
    ) -> io::Result<()> {
        let is_sound = self.snapshot.is_some();
        self.is_begun = false;
        let mut buffer = std::mem::take(&mut self.saved);
        buffer.clear();
        self.saved = save(buffer).unwrap_or_default();
        failpoint("snapshot-saved");
        let snapshot = Snapshot { ring_id: tail.header().ring_id, position: tail.position(), missing };
        let written = write_and_name(tail, &snapshot, &self.saved);
        self.snapshot =
            written.is_ok().then_some(LastSnapshot { position: snapshot.position, bytes: self.saved.len() as u64 });
        let is_small =
            |last, journal: &JournalWriter| journal.file_bytes() <= longest(tail, last, journal.file_bytes());
        let keeps_journal = self
            .snapshot
            .is_some_and(|last| is_sound && self.journal.as_ref().is_none_or(|journal| is_small(last, journal)));
        if !keeps_journal {
            self.end_journal(tail);
        }
        written
    }

    /// The journal is of a writer before this one, could not be written to, or is too large by now; or there is no snapshot, and what
    /// is released now is written nowhere. Nobody may take what its file has behind its last record.
    fn end_journal(&mut self, tail: &impl Tail) {
        self.is_begun = false;
        let ends =
            self.snapshot.is_none() && self.journal.as_ref().is_some_and(|journal| journal.end_here(tail).is_ok());
        if !ends {
            remove_journal(tail.path());
        }
        self.journal = None;
    }
}

fn write_and_name(tail: &impl Tail, snapshot: &Snapshot, content: &[u8]) -> io::Result<()> {
    let write = || {
        let written = UnnamedSnapshot::write(tail.path(), snapshot, content)?;
        failpoint("snapshot-written");
        written.name()?;
        failpoint("snapshot-named");
        Ok(())
    };
    if content.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    write().or_else(|error: io::Error| match error.kind() {
        // The journal may take the memory that lacks.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            remove_journal(tail.path());
            write()
        }
        _ => Err(error),
    })
}

/// How long a journal may become that goes on from this snapshot, in a file that has so many bytes now.
fn longest(tail: &impl Tail, last: LastSnapshot, file_bytes: u64) -> u64 {
    let free = space(tail.path()).map_or(0, |space| space.free);
    let ring_bytes = tail.header().ring_slots * RECORD_BYTES;
    ring_bytes
        .max(last.bytes * TIMES_THE_SNAPSHOT)
        .min(free.saturating_add(file_bytes) / PART_OF_FREE)
        .min(MAX_JOURNAL_BYTES)
}
