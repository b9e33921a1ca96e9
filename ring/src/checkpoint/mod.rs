//! Checkpoints: state saved beside the ring, so that records can be released from it.
//!
//! A checkpoint is a snapshot file and, where it pays, a journal behind it. One protocol and one code serve both that release
//! records: the reader that drains ([`RingReader`]), and the flusher of a process whose ring is full while nobody reads ([`OwnTail`]).
//! The caller holds the tail lock.
//! 1. Write: append the records to the journal, or write a new snapshot under a temporary name.
//! 2. Rename: give the snapshot its name, in the place of the one before.
//! 3. Move the tail.
//!
//! At any moment, and after any death: the snapshot says how far it goes, the journal begins no later than the snapshot ends, and what
//! lies behind the tail is still in the ring. So an append that was cut short, or done twice, does no harm.

mod journal;
mod restore;
mod sidecar;
mod snapshot;
mod tail;
mod writer;

pub use journal::{JOURNAL_EXTENSION, JournalReader, JournalWriter, journal_path, open_journal, remove_journal};
pub use restore::{Checkpoint, checkpoint_end, journal_of, read_checkpoint};
pub use sidecar::{SidecarError, open_sites, remove_orphans, remove_ring, sites_path};
pub use snapshot::{SNAPSHOT_EXTENSION, UnnamedSnapshot, read_snapshot, snapshot_path, snapshot_position};
pub use tail::{OwnTail, Tail};
pub use writer::{CheckpointMethod, CheckpointWriter};

#[cfg(doc)]
use crate::RingReader;
