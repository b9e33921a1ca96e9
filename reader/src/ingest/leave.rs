//! What a draining reader leaves beside its ring before it lets records go, for who comes after it: a snapshot now and then, and
//! between two of them the records themselves, in a journal.

use std::io;

use ttmem_ring::{JournalWriter, RingReader, UnnamedSnapshot, fault_at, remove_journal, space};
use ttmem_wire::{JOURNAL_HEADER_BYTES, MAX_JOURNAL_BYTES, RECORD_WORDS, Snapshot};

use crate::Account;

/// Bytes of a record.
const RECORD_BYTES: u64 = RECORD_WORDS as u64 * 8;

/// A byte of a snapshot takes about as long as so many of a journal: the ledger is gone through and written down, where the
/// journal takes the ring's memory as it is (1.2 and 0.2 ns).
const SNAPSHOT_BYTE: u64 = 6;

/// A journal may become so many times as long as the snapshot that it goes on from. Then snapshots, while which events wait, are
/// rare, and who comes next has no more than some twenty events to apply for each region that it restores.
const TIMES_THE_SNAPSHOT: u64 = 48;

/// And it takes no more than this part of what is free where it lies: rings, and others' files, need room too.
const PART_OF_FREE: u64 = 8;

/// What one reader leaves beside one ring.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// The snapshot that this reader left last, if it could.
    snapshot: Option<Last>,
    /// The journal, and its file for the next.
    journal: Option<JournalWriter>,
    /// Whether the journal goes on from that snapshot. Else it is to be begun.
    is_begun: bool,
    /// The last snapshot's bytes, for the next.
    saved: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    position: u64,
    bytes: u64,
}

impl Last {
    /// Whether another one like it would take longer than so many bytes of a journal.
    fn is_dearer_than(self, journal_bytes: u64) -> bool {
        self.bytes * SNAPSHOT_BYTE > journal_bytes
    }
}

impl Leaving {
    /// Whether so much was read that it is to be let go.
    ///
    /// Where there is nothing else to do, a sixteenth of the ring is worth it: the next burst finds it empty. Else it is
    /// an eighth where it goes into the journal, which costs by the record (what is written then is still in the processor's
    /// cache), and half of it where each time a snapshot is left, or a small one might be.
    pub(crate) fn is_due(&self, ring: &RingReader, has_time: bool) -> bool {
        let slots = ring.header().ring_slots;
        let eighth = slots / 8 * RECORD_BYTES;
        let journal_comes = self.is_begun || self.snapshot.is_some_and(|last| last.is_dearer_than(eighth));
        let part = match (has_time, journal_comes) {
            (true, _) => 16,
            (false, true) => 8,
            (false, false) => 2,
        };
        ring.unreleased() >= (slots / part).max(1)
    }

    /// Leaves what the ring has given so far: what is released next is in it. Best effort: where nothing can be
    /// written, what was left before stays, and says that it goes less far.
    pub(crate) fn leave(&mut self, ring: &RingReader, account: &Account, missing: u64) {
        if !self.append(ring) {
            self.leave_snapshot(ring, account, missing);
        }
    }

    /// Into the journal, if that is allowed and possible.
    fn append(&mut self, ring: &RingReader) -> bool {
        let Some(last) = self.snapshot else { return false };
        let new = ring.unreleased().saturating_mul(RECORD_BYTES);
        let file_bytes = self.journal.as_ref().map_or(0, JournalWriter::file_bytes);
        let longest = longest(ring, last, file_bytes);
        let tried = match &mut self.journal {
            Some(journal) if self.is_begun => {
                if journal.bytes().saturating_add(new) > longest {
                    return false;
                }
                journal.append(ring)
            }
            journal => {
                let is_behind = ring.position() - ring.unreleased() <= last.position;
                if !is_behind || !last.is_dearer_than(new) || new.saturating_add(JOURNAL_HEADER_BYTES as u64) > longest
                {
                    return false;
                }
                match journal {
                    Some(journal) => journal.begin_anew(ring),
                    None => JournalWriter::begin(ring).map(|begun| *journal = Some(begun)),
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

    fn leave_snapshot(&mut self, ring: &RingReader, account: &Account, missing: u64) {
        let is_sound = self.snapshot.is_some();
        self.is_begun = false;
        let mut bytes = std::mem::take(&mut self.saved);
        bytes.clear();
        // Where it can't be saved, there are no bytes.
        self.saved = account.save(bytes).unwrap_or_default();
        let snapshot = Snapshot { ring_id: ring.header().ring_id, position: ring.position(), missing };
        self.snapshot = write(ring, &snapshot, &self.saved)
            .ok()
            .map(|()| Last { position: snapshot.position, bytes: self.saved.len() as u64 });
        let is_small =
            |last, journal: &JournalWriter| journal.file_bytes() <= longest(ring, last, journal.file_bytes());
        if let Some(last) = self.snapshot
            && is_sound
            && self.journal.as_ref().is_none_or(|journal| is_small(last, journal))
        {
            return;
        }
        self.end_journal(ring);
    }

    /// It is the reader's before, or could not be written to, or is too large by now; or the snapshot is missing, and what is let go
    /// now is written nowhere: nobody may take what the file has behind it.
    fn end_journal(&mut self, ring: &RingReader) {
        self.is_begun = false;
        let ends =
            self.snapshot.is_none() && self.journal.as_ref().is_some_and(|journal| journal.end_here(ring).is_ok());
        if !ends {
            remove_journal(ring.path());
        }
        self.journal = None;
    }
}

fn write(ring: &RingReader, snapshot: &Snapshot, content: &[u8]) -> io::Result<()> {
    let write = || {
        let written = UnnamedSnapshot::write(ring.path(), snapshot, content)?;
        fault_at("snapshot-written");
        written.name()?;
        fault_at("snapshot-named");
        Ok(())
    };
    if content.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    write().or_else(|error: io::Error| match error.kind() {
        // The journal's room may be what lacks.
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            remove_journal(ring.path());
            write()
        }
        _ => Err(error),
    })
}

/// How long a journal may become that goes on from this snapshot, in a file that has so many bytes now.
fn longest(ring: &RingReader, last: Last, file_bytes: u64) -> u64 {
    let free = space(ring.path()).map_or(0, |space| space.free);
    let ring_bytes = ring.header().ring_slots * RECORD_BYTES;
    ring_bytes
        .max(last.bytes * TIMES_THE_SNAPSHOT)
        .min(free.saturating_add(file_bytes) / PART_OF_FREE)
        .min(MAX_JOURNAL_BYTES)
}
