//! What one reader leaves for the next beside a ring, and what the process itself folded: its snapshot.

use std::path::Path;

use ttmem_ring::{RingReader, UnnamedSnapshot, read_snapshot};
use ttmem_wire::Snapshot;

use crate::Account;

/// A snapshot that was read.
pub(crate) struct Left {
    pub(crate) account: Account,
    /// Records of the ring that lie behind it.
    pub(crate) position: u64,
    /// Of these, records that are not in it.
    pub(crate) missing: u64,
}

/// The snapshot beside a ring; `None` if there is none.
pub(crate) fn read(ring: &Path, ring_id: u128, keep_live_at_marks: bool) -> Result<Option<Left>, String> {
    let Some((Snapshot { position, missing, .. }, content)) =
        read_snapshot(ring, ring_id).map_err(|error| error.to_string())?
    else {
        return Ok(None);
    };
    let account = Account::restore(&content, keep_live_at_marks).map_err(|error| error.to_string())?;
    Ok(Some(Left { account, position, missing }))
}

/// How far the snapshot beside a ring goes.
pub(crate) fn goes_to(ring: &Path, ring_id: u128) -> Option<u64> {
    read_snapshot(ring, ring_id).ok().flatten().map(|(snapshot, _)| snapshot.position)
}

/// Leaves a snapshot of all that the ring has given so far. Best effort: where it can't be written, the one before stays, and
/// says that it goes less far. `bytes` are used and given back.
pub(crate) fn leave(ring: &RingReader, account: &Account, missing: u64, mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.clear();
    let bytes = account.save(bytes).unwrap_or_default();
    let snapshot = Snapshot { ring_id: ring.header().ring_id, position: ring.position(), missing };
    if !bytes.is_empty() {
        let _ = UnnamedSnapshot::write(ring.path(), &snapshot, &bytes).and_then(UnnamedSnapshot::name);
    }
    bytes
}
