//! The bytes that the two sides of ttmem agree on.
//!
//! The shim writes [`Record`]s of 64 bytes into a file whose first page is a [`Header`]; the reader reads them back as
//! [`Event`]s. This crate knows how they look and checks their bounds. It does no I/O, maps nothing and has no `unsafe`.
//!
//! ```
//! use ttmem_wire::{Event, EventKind, Memory, Record, Target};
//!
//! let event = Event {
//!     kind: EventKind::Allocate,
//!     memory: Some(Memory::L1),
//!     target: Target::Device(3),
//!     address: 0x1_9000,
//!     size: 4096,
//!     ..Event::default()
//! };
//! let record: Record = event.encode();
//! assert_eq!(Event::decode(&record).unwrap(), event);
//! ```
#![forbid(unsafe_code)]

mod cores;
mod event;
mod fact;
mod header;
mod mark;
mod memory;
mod part;
mod pool;
mod record;
pub mod sites;
mod snapshot;

pub use cores::{CoreRange, OnCore};
pub use event::{ANY_DEVICE, Event, EventKind, Space, Target, flags};
pub use fact::{Fact, RANK_VARIABLES};
pub use header::{
    CLOCK_MONOTONIC, CLOCK_TSC, HEADER_BYTES, Header, HeaderError, MAGIC, MAX_COMMAND_BYTES, MAX_RING_FILE_BYTES,
    MAX_RING_SLOTS, PAGE, VERSION, WRITER_PAGES,
};
pub use mark::{MARK_BYTES_PER_RECORD, MAX_MARK_BYTES, MarkAssembler, split_mark};
pub use memory::Memory;
pub use part::Part;
pub use pool::{CHIPS_PER_POOL, MAX_POOLS, Pool};
pub use record::{RECORD_WORDS, Record, RecordError};
pub use snapshot::{
    MAX_SNAPSHOT_BYTES, SNAPSHOT_HEADER_BYTES, SNAPSHOT_MAGIC, SNAPSHOT_VERSION, Snapshot, SnapshotError,
};
