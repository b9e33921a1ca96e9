//! Checkpoints: state saved beside the ring, so that records can be released from it.
//!
//! A checkpoint is a snapshot file. One protocol and one code serve both that release records: the reader that drains
//! ([`RingReader`]), and the flusher of a process whose ring is full while nobody reads ([`OwnTail`]). The caller holds the tail lock.
//! 1. Write a new snapshot under a temporary name.
//! 2. Rename it, in the place of the one before.
//! 3. Move the tail.
//!
//! At any moment, and after any death: the snapshot contains its position, and what lies behind the tail is still in the ring. So a
//! step that is missing, or done twice, does no harm.

mod sidecar;
mod snapshot;
mod tail;
mod writer;

pub use sidecar::{SidecarError, open_sites, orphans, remove_ring, sites_path};
pub use snapshot::{SNAPSHOT_EXTENSION, UnnamedSnapshot, read_snapshot, snapshot_path, snapshot_position};
pub use tail::{OwnTail, Tail};
pub use writer::CheckpointWriter;

#[cfg(doc)]
use crate::RingReader;
