//! The file that `ttmem record` writes and `ttmem report` reads: every event of many processes.
//!
//! A recording is a row of chunks. Some hold events of one process, packed by columns and compressed; some hold a
//! [`Meta`] document about a process. Each chunk is written at once and carries its checksum, so a run that was cut short
//! leaves a file that can be read up to its last whole chunk. `docs/recording-format.md` describes every byte.
//!
//! Both sides stream: neither keeps more than a few MiB, however long the recording.
//!
//! ```
//! use ttmem_recording::{Item, Meta, Process, Reader, Writer};
//! use ttmem_wire::{Event, Record};
//!
//! let process = Process { process: 0, pid: 4711, command: vec!["train".into()], ..Process::default() };
//! let record: Record = Event { size: 4096, ..Event::default() }.encode();
//!
//! let mut writer = Writer::new(Vec::new())?;
//! writer.meta(&Meta::Process(process.clone()))?;
//! writer.events(0, &[record; 3])?;
//! let file = writer.finish()?;
//!
//! let mut reader = Reader::new(file.as_slice())?;
//! assert_eq!(reader.next()?, Some(Item::Meta(Meta::Process(process))));
//! assert_eq!(reader.next()?, Some(Item::Events { process: 0, records: &[record; 3] }));
//! assert_eq!(reader.next()?, None);
//! assert!(!reader.is_cut());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod block;
mod chunk;
mod column;
mod compression;
mod error;
mod meta;
mod reader;
mod varint;
mod writer;

pub use chunk::MAGIC;
pub use chunk::{FORMAT_VERSION, MAX_CHUNK_BYTES, MAX_CHUNK_EVENTS};
pub use error::RecordingError;
pub use meta::{
    ClockPoint, Ended, LastWords, Meta, NativeFrame, Pool, Process, PythonFrame, Site, Sites, Status, Tensor,
};
pub use reader::{Item, Reader};
pub use writer::Writer;
