//! The ring: an SPSC ring buffer in shared memory. The flusher drains the queue into it, a reader of another process drains the ring.

mod drain;
mod writer;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use drain::batch_limit;
pub use drain::{Drain, Drained, MAX_BATCH};
pub use writer::RingWriter;
