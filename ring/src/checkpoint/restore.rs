//! Reads the checkpoint of a ring.

use std::{ops::Range, path::Path};

use ttmem_wire::Snapshot;

use super::{JournalReader, SidecarError, open_journal, read_snapshot, snapshot_position};

/// A checkpoint that was read.
#[derive(Debug)]
pub struct Checkpoint {
    /// What the snapshot holds.
    pub content: Vec<u8>,
    /// Records of the ring that lie behind the snapshot.
    pub position: u64,
    /// Of these, records that are not in it.
    pub missing: u64,
    /// The journal that goes on from it, if there is one; else why it can't be used.
    pub journal: Result<Option<JournalReader>, SidecarError>,
}

/// The snapshot beside a ring, and the journal that goes on from it; `None` if there is no snapshot.
///
/// The journal is opened first. It is removed, or begun anew, only when a snapshot goes as far. So one that is gone, or was not there
/// yet, is not needed: the snapshot that is read then has its records.
///
/// # Errors
/// [`SidecarError`] says why the snapshot can't be used.
pub fn read_checkpoint(ring: &Path, ring_id: u128) -> Result<Option<Checkpoint>, SidecarError> {
    let journal = open_journal(ring, ring_id);
    let Some((Snapshot { position, missing, .. }, content)) = read_snapshot(ring, ring_id)? else { return Ok(None) };
    let journal = journal.map(|journal| journal.filter(|journal| journal.first() <= position));
    Ok(Some(Checkpoint { content, position, missing, journal }))
}

/// The journal of a ring, if it has all of these records. The ring's tail must have been read before, and be no less than their end.
///
/// A journal that begins where the snapshot ends has all records up to the tail; of another it is not known how far it goes.
pub fn journal_of(ring: &Path, ring_id: u128, positions: &Range<u64>) -> Option<JournalReader> {
    let journal = open_journal(ring, ring_id).ok()??;
    let goes_on = snapshot_position(ring, ring_id)? == journal.first();
    (goes_on && journal.first() <= positions.start && journal.end() >= positions.end).then_some(journal)
}

/// How far the checkpoint of a ring may go.
pub fn checkpoint_end(ring: &Path, ring_id: u128) -> Option<u64> {
    let journal = open_journal(ring, ring_id).ok().flatten();
    let position = snapshot_position(ring, ring_id)?;
    let further = journal.filter(|journal| journal.first() <= position).map(|journal| journal.end());
    Some(position.max(further.unwrap_or(0)))
}
