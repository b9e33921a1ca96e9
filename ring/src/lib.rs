//! The way of an event through shared memory, and the file that it lies in.
//!
//! * [`Stage`]: any thread pushes a record, lock-free, and it is in shared memory when the call returns.
//! * [`Mover`]: the one flusher moves records from the stage into the ring, in an order that no thread can contradict.
//! * [`RingFile`]: makes the file of a process (reserved, initialised, locked, and only then given a name).
//! * [`RingReader`]: opens such a file from another process, drains it, and after a death recovers what the ring lacks
//!   from the stage.
//!
//! This is the only crate beside the shim with `unsafe`: mapping the file, and the system calls around it.
#![cfg_attr(any(loom, shuttle), allow(dead_code, unused_imports))]

mod bell;
mod faults;
mod mover;
mod nap;
mod pages;
mod pools;
mod recover;
mod slot;
mod stage;
mod sync;
mod write;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
#[cfg(all(test, any(loom, shuttle)))]
mod test_reader;
#[cfg(all(test, not(any(loom, shuttle))))]
mod thread_tests;

#[cfg(not(loom))]
mod beside;
#[cfg(not(loom))]
mod clock;
#[cfg(not(loom))]
mod create;
#[cfg(not(loom))]
mod discover;
#[cfg(not(loom))]
mod folder;
#[cfg(not(loom))]
mod host;
#[cfg(not(loom))]
mod journal;
#[cfg(not(loom))]
mod lock;
#[cfg(not(loom))]
mod map;
#[cfg(not(loom))]
mod process;
#[cfg(not(loom))]
mod read;
#[cfg(not(loom))]
mod snapshot;
#[cfg(not(any(loom, shuttle)))]
mod wait;
#[cfg(not(any(loom, shuttle)))]
mod watch;

pub use faults::fault_at;
pub use mover::{MAX_BATCH, Moved, Mover};
pub use nap::{ASLEEP, AWAKE, NAPPING};
pub use pages::{FlusherPage, ProducerPage, ReaderPage};
pub use pools::PoolTable;
pub use recover::Recovery;
pub use slot::Slot;
pub use stage::{PAYLOAD_WORDS, Stage, StageFull};
pub use write::RingWriter;

#[cfg(not(loom))]
pub use beside::{BesideError, remove_orphans, remove_ring, sites_path};
#[cfg(not(loom))]
pub use clock::{Clock, ClockMap, monotonic_ns, realtime_ns};
#[cfg(not(loom))]
pub use create::{CreateError, CreateOptions, DEFAULT_RING_BYTES, MIN_RING_BYTES, RingFile, STAGE_SLOTS, TailLock};
#[cfg(not(loom))]
pub use discover::{RING_EXTENSION, discover};
#[cfg(not(loom))]
pub use folder::{FolderError, create_private_dir, default_dir, ensure_folder, folder_for};
#[cfg(not(loom))]
pub use host::{Feature, Space, features, space};
#[cfg(not(loom))]
pub use journal::{JOURNAL_EXTENSION, JournalReader, JournalWriter, journal_path, open_journal, remove_journal};
#[cfg(not(loom))]
pub use process::{Ended, ProcessWatch, process_start, send_signal, sleep_while_it_runs};
#[cfg(not(loom))]
pub use read::{AlreadyDrained, Counters, OpenError, RingReader};
#[cfg(not(loom))]
pub use snapshot::{SNAPSHOT_EXTENSION, UnnamedSnapshot, read_snapshot, snapshot_path, snapshot_position};
#[cfg(not(any(loom, shuttle)))]
pub use wait::{Bells, Doorbell, wake};
#[cfg(not(any(loom, shuttle)))]
pub use watch::watch_folder;
