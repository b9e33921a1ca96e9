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

/// A journal may become so many times as long as the snapshot that it goes on from. Then snapshots take a tenth of the
/// reader's time at most, and who comes next has no more than some four events to apply for each region that it restores.
const TIMES_THE_SNAPSHOT: u64 = 8;

/// And it takes no more than this part of what is free where it lies: rings, and others' files, need room too.
const PART_OF_FREE: u64 = 8;

/// What one reader leaves beside one ring.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    /// The snapshot that this reader left last, while journals go on from it.
    snapshot: Option<Last>,
    journal: Option<JournalWriter>,
    /// The last snapshot's bytes, for the next.
    saved: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    position: u64,
    bytes: u64,
}

impl Leaving {
    /// Whether so much was read that it is to be let go.
    ///
    /// Where there is nothing else to do, a sixteenth of the ring is worth it: the next burst finds it empty. Else it is
    /// an eighth where it goes into the journal, which costs by the record (what is written then is still in the processor's
    /// cache), and half of it where each time a snapshot is left.
    pub(crate) fn is_due(&self, ring: &RingReader, has_time: bool) -> bool {
        let part = match (has_time, &self.journal) {
            (true, _) => 16,
            (false, Some(_)) => 8,
            (false, None) => 2,
        };
        ring.unreleased() >= (ring.header().ring_slots / part).max(1)
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
        let written = self.journal.as_ref().map_or(0, JournalWriter::bytes);
        let is_cheaper = written > 0 || last.bytes * SNAPSHOT_BYTE > new;
        if !is_cheaper || new.saturating_add(written + JOURNAL_HEADER_BYTES as u64) > longest(ring, last, written) {
            return false;
        }
        let done = match &mut self.journal {
            Some(journal) => journal.append(ring).is_ok(),
            None if last.position >= ring.position() - ring.unreleased() => {
                self.journal = JournalWriter::begin(ring).ok();
                self.journal.is_some()
            }
            None => false,
        };
        if !done {
            // It is not written to again; what it had goes when a snapshot has it.
            self.journal = None;
        }
        done
    }

    fn leave_snapshot(&mut self, ring: &RingReader, account: &Account, missing: u64) {
        self.journal = None;
        self.snapshot = None;
        let mut bytes = std::mem::take(&mut self.saved);
        bytes.clear();
        // Where it can't be saved, there are no bytes.
        self.saved = account.save(bytes).unwrap_or_default();
        if self.saved.is_empty() {
            return;
        }
        let snapshot = Snapshot { ring_id: ring.header().ring_id, position: ring.position(), missing };
        let write = || {
            let written = UnnamedSnapshot::write(ring.path(), &snapshot, &self.saved)?;
            fault_at("snapshot-written");
            written.name()
        };
        let written = write().or_else(|error| {
            let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            if !is_full {
                return Err(error);
            }
            // The journal's room may be what lacks.
            remove_journal(ring.path());
            write()
        });
        if written.is_ok() {
            fault_at("snapshot-named");
            remove_journal(ring.path());
            fault_at("journal-removed");
            self.snapshot = Some(Last { position: ring.position(), bytes: self.saved.len() as u64 });
        }
    }
}

/// How long a journal may become that goes on from this snapshot, and has so many bytes now.
fn longest(ring: &RingReader, last: Last, written: u64) -> u64 {
    let free = space(ring.path()).map_or(0, |space| space.free);
    let ring_bytes = ring.header().ring_slots * RECORD_BYTES;
    ring_bytes.max(last.bytes * TIMES_THE_SNAPSHOT).min((free + written) / PART_OF_FREE).min(MAX_JOURNAL_BYTES)
}
