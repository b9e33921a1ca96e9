//! The two that release records: both hold the tail lock.

use std::path::Path;

use ttmem_wire::Header;

use crate::{Drain, RingFile, RingReader, TailLock};

/// A ring whose tail the caller may move.
pub trait Tail {
    /// Where the ring is.
    fn path(&self) -> &Path;
    /// Its first page.
    fn header(&self) -> &Header;
    /// A checkpoint that is written now goes so far: records of the ring that lie behind it.
    fn position(&self) -> u64;
    /// Records before that which are not released.
    fn unreleased(&self) -> u64;
    /// Releases them.
    fn release(&mut self);
}

impl Tail for RingReader {
    fn path(&self) -> &Path {
        RingReader::path(self)
    }

    fn header(&self) -> &Header {
        RingReader::header(self)
    }

    fn position(&self) -> u64 {
        RingReader::position(self)
    }

    fn unreleased(&self) -> u64 {
        RingReader::unreleased(self)
    }

    fn release(&mut self) {
        RingReader::release(self);
    }
}

/// The tail of this process's own ring, up to a position.
#[derive(Debug)]
pub struct OwnTail<'a> {
    ring: &'a RingFile,
    drain: &'a mut Drain<'static>,
    position: u64,
}

impl<'a> OwnTail<'a> {
    /// For the flusher, which has the tail lock and has read the records up to `position`.
    pub fn new(ring: &'a RingFile, _lock: &'a TailLock, drain: &'a mut Drain<'static>, position: u64) -> Self {
        Self { ring, drain, position }
    }
}

impl Tail for OwnTail<'_> {
    fn path(&self) -> &Path {
        self.ring.path()
    }

    fn header(&self) -> &Header {
        self.ring.header()
    }

    fn position(&self) -> u64 {
        self.position
    }

    fn unreleased(&self) -> u64 {
        self.drain.unreleased().map_or(0, |range| self.position.saturating_sub(range.start))
    }

    fn release(&mut self) {
        self.drain.release(self.position);
    }
}
