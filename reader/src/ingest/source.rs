//! A ring, or what stays known of it.

use std::path::{Path, PathBuf};

use ttmem_ring::{ClockMap, Counters, RingReader};
use ttmem_wire::{Header, Record};

/// Where a session's events come from. Once its process is gone and everything was read, the ring is closed: a run may see
/// thousands of processes, and an open ring is a descriptor and megabytes of shared memory.
#[derive(Debug)]
pub(crate) enum Source {
    /// A ring that may still give events.
    Open(Box<RingReader>),
    /// One that gave its last.
    Closed(Box<Remains>),
}

/// What is asked for after the last event.
#[derive(Debug)]
pub(crate) struct Remains {
    header: Header,
    path: PathBuf,
    clock: ClockMap,
    counters: Counters,
    exit_status: Option<i32>,
    has_stopped: bool,
    open_requests: Vec<Record>,
}

impl Source {
    /// Gives the ring's descriptor and memory back. Only for the ring of a process that is gone: nothing in it changes.
    pub(crate) fn close(&mut self) {
        self.close_with(self.counters());
    }

    /// The same for a ring that was truncated: its counts are those that it had before.
    pub(crate) fn close_with(&mut self, counters: Counters) {
        if let Self::Open(ring) = self {
            *self = Self::Closed(Box::new(Remains {
                header: ring.header().clone(),
                path: ring.path().to_path_buf(),
                clock: ring.clock(),
                counters,
                exit_status: ring.exit_status(),
                has_stopped: ring.has_stopped(),
                open_requests: ring.open_requests(),
            }));
        }
    }

    pub(crate) fn header(&self) -> &Header {
        match self {
            Self::Open(ring) => ring.header(),
            Self::Closed(remains) => &remains.header,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Open(ring) => ring.path(),
            Self::Closed(remains) => &remains.path,
        }
    }

    pub(crate) fn clock(&self) -> ClockMap {
        match self {
            Self::Open(ring) => ring.clock(),
            Self::Closed(remains) => remains.clock,
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        match self {
            Self::Open(ring) => ring.counters(),
            Self::Closed(remains) => remains.counters,
        }
    }

    pub(crate) fn exit_status(&self) -> Option<i32> {
        match self {
            Self::Open(ring) => ring.exit_status(),
            Self::Closed(remains) => remains.exit_status,
        }
    }

    pub(crate) fn has_stopped(&self) -> bool {
        match self {
            Self::Open(ring) => ring.has_stopped(),
            Self::Closed(remains) => remains.has_stopped,
        }
    }

    /// See [`RingReader::open_requests`].
    pub(crate) fn open_requests(&self) -> Vec<Record> {
        match self {
            Self::Open(ring) => ring.open_requests(),
            Self::Closed(remains) => remains.open_requests.clone(),
        }
    }
}
