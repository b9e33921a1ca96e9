//! Writing a recording.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use ttmem_wire::Record;

use crate::{
    Meta,
    block::BlockEncoder,
    chunk::{CHUNK_HEAD_BYTES, ChunkHead, Kind, MAX_CHUNK_BYTES, MAX_CHUNK_EVENTS, file_head},
    compression::Compressor,
};

/// Events that are kept of all processes together: 16 MiB. The process with the most is written when there are more.
const MAX_KEPT: usize = 4 * MAX_CHUNK_EVENTS;

/// Writes a recording, chunk by chunk; each with one call, so that only the last can be torn.
///
/// After an error of the file nothing more is written: what is there stays readable up to the chunk that failed. Events
/// that are neither flushed nor finished are lost with the writer.
pub struct Writer<W: Write> {
    file: W,
    is_broken: bool,
    /// Events that are not written yet, by process. Every process that was introduced is in it.
    kept: BTreeMap<u32, Vec<Record>>,
    kept_events: usize,
    block: BlockEncoder,
    compressor: Compressor,
    plain: Vec<u8>,
    chunk: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    pub fn new(mut file: W) -> io::Result<Self> {
        file.write_all(&file_head())?;
        Ok(Self {
            file,
            is_broken: false,
            kept: BTreeMap::new(),
            kept_events: 0,
            block: BlockEncoder::new(),
            compressor: Compressor::new()?,
            plain: Vec::new(),
            chunk: Vec::new(),
        })
    }

    /// Writes a document, after all events of its process that were given before.
    pub fn meta(&mut self, meta: &Meta) -> io::Result<()> {
        let process = meta.process();
        let document = serde_json::to_vec(meta)?;
        if document.len() > MAX_CHUNK_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a document is too long for a recording"));
        }
        self.write_kept(process)?;
        self.plain.clear();
        self.plain.extend_from_slice(&document);
        self.write_chunk(Kind::META, process, 1)?;
        if let Meta::Process(_) = meta {
            self.kept.entry(process).or_default();
        }
        Ok(())
    }

    /// Takes events of a process that was introduced by its [`Meta::Process`], in their order. They are written when they
    /// fill a chunk, and by [`Writer::flush`].
    pub fn events(&mut self, process: u32, mut records: &[Record]) -> io::Result<()> {
        while !records.is_empty() {
            let Some(kept) = self.kept.get_mut(&process) else {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "events of a process that was not introduced"));
            };
            let (now, later) = records.split_at(records.len().min(MAX_CHUNK_EVENTS - kept.len()));
            kept.extend_from_slice(now);
            self.kept_events += now.len();
            records = later;
            if kept.len() == MAX_CHUNK_EVENTS {
                self.write_kept(process)?;
            } else if self.kept_events > MAX_KEPT {
                let most = self.kept.iter().max_by_key(|(_, kept)| kept.len()).map(|(&process, _)| process);
                most.map_or(Ok(()), |process| self.write_kept(process))?;
            }
        }
        self.check_not_broken()
    }

    /// Writes the events that are kept of all processes, and flushes the file.
    pub fn flush(&mut self) -> io::Result<()> {
        let waiting: Vec<u32> = self.kept.iter().filter(|(_, kept)| !kept.is_empty()).map(|(&id, _)| id).collect();
        waiting.into_iter().try_for_each(|process| self.write_kept(process))?;
        self.check_not_broken()?;
        self.file.flush()
    }

    /// Writes what is kept, and that the recording is whole.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        self.plain.clear();
        self.write_chunk(Kind::END, 0, 0)?;
        self.file.flush()?;
        Ok(self.file)
    }

    fn write_kept(&mut self, process: u32) -> io::Result<()> {
        let Some(kept) = self.kept.get_mut(&process).filter(|kept| !kept.is_empty()) else { return Ok(()) };
        let mut records = std::mem::take(kept);
        self.kept_events -= records.len();
        self.plain.clear();
        self.block.append(&records, &mut self.plain);
        let result = self.write_chunk(Kind::EVENTS, process, records.len() as u32);
        // Who fills chunks keeps its room; of many quiet processes none does.
        if records.len() == MAX_CHUNK_EVENTS {
            records.clear();
            self.kept.insert(process, records);
        }
        result
    }

    /// Writes `self.plain` as one chunk.
    fn write_chunk(&mut self, kind: Kind, process: u32, items: u32) -> io::Result<()> {
        self.check_not_broken()?;
        let stored = self.compressor.compress(&self.plain);
        let head = ChunkHead {
            kind,
            process,
            items,
            plain_bytes: self.plain.len() as u32,
            stored_bytes: stored.len() as u32,
            checksum: crc32fast::hash(stored),
        };
        self.chunk.clear();
        self.chunk.reserve(CHUNK_HEAD_BYTES + stored.len());
        self.chunk.extend_from_slice(&head.encode());
        self.chunk.extend_from_slice(stored);
        // Set first: a panic of the file must not let a later chunk follow half of this one.
        self.is_broken = true;
        self.file.write_all(&self.chunk)?;
        self.is_broken = false;
        Ok(())
    }

    /// A chunk after half of another could not be found: whoever reads would take it for damage.
    fn check_not_broken(&self) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::other("the recording ended with an earlier error"));
        }
        Ok(())
    }
}
