//! Writes checkpoints, and decides when.

use std::io;

use ttmem_wire::Snapshot;

use super::{Tail, UnnamedSnapshot};
use crate::failpoint::failpoint;

/// Writes the checkpoints of one ring, as long as nobody else does.
#[derive(Debug, Default)]
pub struct CheckpointWriter {
    /// The last snapshot's bytes, for the next.
    saved: Vec<u8>,
}

impl CheckpointWriter {
    /// Whether so much was read that it is to be released: half of the ring, or a sixteenth where there is time, so that the next
    /// burst finds it empty.
    pub fn is_due(tail: &impl Tail, is_idle: bool) -> bool {
        let part = if is_idle { 16 } else { 2 };
        tail.unreleased() >= (tail.header().ring_slots / part).max(1)
    }

    /// Writes a snapshot of all that was read, and releases it. `save` gives the state, in the buffer that it is given; `missing`
    /// counts the records that are not in it.
    ///
    /// # Errors
    /// Those of the system, or there is no state. The snapshot before stays, and nothing is released.
    pub fn write(
        &mut self,
        tail: &mut impl Tail,
        missing: u64,
        save: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>,
    ) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.saved);
        buffer.clear();
        self.saved = save(buffer).ok_or(io::ErrorKind::InvalidData)?;
        failpoint("snapshot-saved");
        let snapshot = Snapshot { ring_id: tail.header().ring_id, position: tail.position(), missing };
        let unnamed = UnnamedSnapshot::write(tail.path(), &snapshot, &self.saved)?;
        failpoint("snapshot-written");
        unnamed.name()?;
        failpoint("snapshot-named");
        tail.release();
        failpoint("released");
        Ok(())
    }
}
