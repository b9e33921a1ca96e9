//! The way of an event through shared memory, and the file that it lies in. README.md has the picture, the memory layout and the
//! register of atomics.
//!
//! From the bottom up; a module uses those above it in this list only:
//! * `sync`, `failpoint`: the seam to loom and shuttle, and places where tests stop a thread.
//! * `layout`: slots and pages, what lies in the shared memory.
//! * `sys`: clocks, processes, files.
//! * `queue`: [`Queue`], where any thread publishes an event; it is in shared memory when the call returns.
//! * `wakeup`: sleeping and waking by futex words.
//! * `ring`: [`Drain`], by which the one flusher drains the queue into the ring that a reader drains.
//! * `file`: [`RingFile`] makes the file of a process; [`RingReader`] opens it from another, drains it, and after a death recovers from
//!   the queue what the ring lacks.
//! * `checkpoint`: state saved beside the ring, so that records can be released.
//!
//! This crate, the shim and the caller alone have `unsafe`: here for mapping the file, and for the system calls around it.
#![cfg_attr(any(loom, shuttle), allow(dead_code, unused_imports))]

mod failpoint;
mod layout;
mod queue;
mod ring;
mod sync;
mod wakeup;

#[cfg(not(any(loom, shuttle)))]
mod checkpoint;
#[cfg(not(any(loom, shuttle)))]
mod file;
#[cfg(not(any(loom, shuttle)))]
mod sys;

#[cfg(test)]
mod model;

pub use failpoint::failpoint;
pub use layout::{FlusherPage, PoolTable, ProducerPage, ReaderPage, Slot};
pub use queue::{PAYLOAD_WORDS, Queue, QueueFull, Recovery};
pub use ring::{Drain, Drained, MAX_BATCH, RingWriter};
pub use wakeup::{AWAKE, NAPPING, PARKED};

#[cfg(not(any(loom, shuttle)))]
pub use {
    checkpoint::{
        CheckpointWriter, OwnTail, SNAPSHOT_EXTENSION, SidecarError, Tail, UnnamedSnapshot, open_sites, orphans,
        read_snapshot, remove_ring, sites_path, snapshot_path, snapshot_position,
    },
    file::{
        AlreadyDrained, Counters, CreateError, CreateOptions, DEFAULT_RING_BYTES, FolderError, MIN_RING_BYTES,
        MappedFiles, OpenError, QUEUE_SLOTS, RING_EXTENSION, RingFile, RingReader, TailLock, create_private_dir,
        default_dir, discover, ensure_folder, folder_for,
    },
    sys::{
        Clock, ClockMap, DiskSpace, Ended, Feature, ProcessWatch, features, monotonic_ns, process_start, realtime_ns,
        send_signal, sleep_while_it_runs, space,
    },
    wakeup::{WaitSet, Wakeup, futex_wait, futex_wake, wake, watch_folder},
};
