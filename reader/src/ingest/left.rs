//! What lies beside a ring of the events that went out of it: the snapshot that the process itself or a reader left, and the
//! journal of what a reader let go since.

use std::{ops::Range, path::Path};

use ttmem_ring::{JournalReader, open_journal, read_snapshot, snapshot_position};
use ttmem_wire::Snapshot;

use crate::Account;

/// A snapshot that was read.
pub(crate) struct Left {
    pub(crate) account: Account,
    /// Records of the ring that lie behind it.
    pub(crate) position: u64,
    /// Of these, records that are not in it.
    pub(crate) missing: u64,
    /// What came next, if there is a journal that begins no later; else why there is none.
    pub(crate) journal: Result<Option<JournalReader>, String>,
}

/// The snapshot beside a ring, and the journal that goes on from it; `None` if there is no snapshot.
///
/// The journal is opened first. It is removed, or begun anew, only when there is a snapshot that goes as far, so one that is gone,
/// or was not there yet, is not missed: the snapshot that is read then has its records.
pub(crate) fn read(ring: &Path, ring_id: u128, keep_live_at_marks: bool) -> Result<Option<Left>, String> {
    let journal = open_journal(ring, ring_id).map_err(|error| error.to_string());
    let Some((Snapshot { position, missing, .. }, content)) =
        read_snapshot(ring, ring_id).map_err(|error| error.to_string())?
    else {
        return Ok(None);
    };
    let account = Account::restore(&content, keep_live_at_marks).map_err(|error| error.to_string())?;
    let journal = journal.map(|journal| journal.filter(|journal| journal.first() <= position));
    Ok(Some(Left { account, position, missing, journal }))
}

/// The journal, if it has all of these records. The ring's tail must have been read before, and be no less than their end.
///
/// One that goes on from the snapshot, which is the case if it begins there, has all up to the tail; of another it is not
/// known how far it goes.
pub(crate) fn journal_of(ring: &Path, ring_id: u128, positions: &Range<u64>) -> Option<JournalReader> {
    let journal = open_journal(ring, ring_id).ok()??;
    let goes_on = snapshot_position(ring, ring_id)? == journal.first();
    (goes_on && journal.first() <= positions.start && journal.end() >= positions.end).then_some(journal)
}

/// How far the two may go.
pub(crate) fn goes_to(ring: &Path, ring_id: u128) -> Option<u64> {
    let journal = open_journal(ring, ring_id).ok().flatten();
    let position = snapshot_position(ring, ring_id)?;
    let further = journal.filter(|journal| journal.first() <= position).map(|journal| journal.end());
    Some(position.max(further.unwrap_or(0)))
}
