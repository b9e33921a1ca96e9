//! Reading a recording.

use std::{
    collections::HashSet,
    io::{self, Read},
};

use ttmem_wire::Record;

use crate::{
    Meta, RecordingError,
    block::BlockDecoder,
    chunk::{CHUNK_HEAD_BYTES, ChunkHead, FILE_HEAD_BYTES, Kind, check_file_head},
    compression::Decompressor,
};

/// Events that are given at a time: 256 KiB of records, so that they are still in the cache when the caller looks at them.
const EVENTS_AT_A_TIME: usize = 4096;

/// What a recording holds, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A document.
    Meta(Meta),
    /// Some events of a process, in their order; never none.
    Events {
        /// Whose events, as its [`crate::Process`] says.
        process: u32,
        /// The events.
        records: &'a [Record],
    },
}

/// Reads a recording, chunk by chunk.
///
/// Any bytes are safe to read: lengths are bounded before room is made for them.
pub struct Reader<R: Read> {
    file: R,
    /// Bytes of the file before the chunk at work, and after it.
    chunk_at: u64,
    at: u64,
    state: State,
    cut_bytes: u64,
    /// Processes that had their [`crate::Process`].
    introduced: HashSet<u32>,
    decompressor: Decompressor,
    /// What the chunk at work holds.
    content: Vec<u8>,
    /// Its events, as long as some were not given yet.
    block: Option<(u32, BlockDecoder)>,
    records: Vec<Record>,
}

/// How far a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// More may come.
    Reading,
    /// At the end that the writer wrote, or at an error.
    Ended,
    /// At the end of a file that has no such end.
    Cut,
}

/// What the next item is made from.
enum Found {
    Meta(Meta),
    Events(u32),
    Nothing,
}

impl<R: Read> Reader<R> {
    /// Begins to read. A file that ends within its head is a recording that was cut short.
    pub fn new(file: R) -> Result<Self, RecordingError> {
        let mut reader = Self {
            file,
            chunk_at: 0,
            at: 0,
            state: State::Reading,
            cut_bytes: 0,
            introduced: HashSet::new(),
            decompressor: Decompressor::new()?,
            content: Vec::new(),
            block: None,
            records: Vec::new(),
        };
        let is_whole = reader.fill(FILE_HEAD_BYTES)?;
        if !check_file_head(&reader.content)? || !is_whole {
            reader.cut(reader.content.len());
        }
        Ok(reader)
    }

    /// The next item; `None` at the end, see [`Reader::is_cut`]. After an error there is none.
    #[expect(clippy::should_implement_trait, reason = "the item borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, RecordingError> {
        let found = self.find_next().inspect_err(|_| {
            self.state = State::Ended;
            self.block = None;
        })?;
        Ok(match found {
            Found::Meta(meta) => Some(Item::Meta(meta)),
            Found::Events(process) => Some(Item::Events { process, records: &self.records }),
            Found::Nothing => None,
        })
    }

    /// The next document; `None` at the end. Blocks of events are checked and passed over packed: `events` gets the process
    /// of each, and how many events it has.
    pub fn next_document(&mut self, mut events: impl FnMut(u32, u32)) -> Result<Option<Meta>, RecordingError> {
        self.block = None;
        self.find_document(&mut events).inspect_err(|_| self.state = State::Ended)
    }

    /// Whether the file ended before its writer was done. Known once [`Reader::next`] gave `None`.
    pub fn is_cut(&self) -> bool {
        self.state == State::Cut
    }

    /// Bytes at the end of a cut file that are of no use: part of a chunk.
    pub fn cut_bytes(&self) -> u64 {
        self.cut_bytes
    }

    fn find_next(&mut self) -> Result<Found, RecordingError> {
        loop {
            if let Some((process, decoder)) = &mut self.block {
                let process = *process;
                let result = decoder.read(&self.content, &mut self.records, EVENTS_AT_A_TIME);
                result.map_err(|why| self.damaged(why))?;
                if !self.records.is_empty() {
                    return Ok(Found::Events(process));
                }
                self.block = None;
            }
            let Some(head) = self.read_chunk()? else { return Ok(Found::Nothing) };
            if let Some(meta) = self.unpack(&head)? {
                return Ok(Found::Meta(meta));
            }
        }
    }

    fn find_document(&mut self, events: &mut dyn FnMut(u32, u32)) -> Result<Option<Meta>, RecordingError> {
        while let Some(head) = self.read_chunk()? {
            if head.kind == Kind::EVENTS {
                events(head.process, head.items);
            } else if let Some(meta) = self.unpack(&head)? {
                return Ok(Some(meta));
            }
        }
        Ok(None)
    }

    /// Unpacks a chunk that was read: the document, if it is one; a block of events is ready to be decoded then.
    fn unpack(&mut self, head: &ChunkHead) -> Result<Option<Meta>, RecordingError> {
        if !self.decompressor.decompress(&mut self.content, head.plain_bytes as usize) {
            return Err(self.damaged("this block cannot be decompressed"));
        }
        match head.kind {
            Kind::META => {
                let meta = Meta::read(&self.content).map_err(|why| self.damaged(why))?;
                if let Some(Meta::Process(process)) = &meta {
                    self.introduced.insert(process.process);
                }
                return Ok(meta);
            }
            Kind::EVENTS if !self.introduced.contains(&head.process) => {
                return Err(self.damaged("events of a process that was not introduced"));
            }
            Kind::EVENTS => {
                let decoder = BlockDecoder::begin(&self.content, head.items as usize);
                self.block = Some((head.process, decoder.map_err(|why| self.damaged(why))?));
            }
            Kind::END => {
                self.state = State::Ended;
                self.chunk_at = self.at;
                if self.fill(1)? {
                    return Err(self.damaged("something follows the end of the recording"));
                }
            }
            // Of a newer writer that thinks that it can be done without.
            _ => {}
        }
        Ok(None)
    }

    /// Reads the next chunk and its content as it is stored; `None` at the end of the file.
    fn read_chunk(&mut self) -> Result<Option<ChunkHead>, RecordingError> {
        if self.state != State::Reading {
            return Ok(None);
        }
        self.chunk_at = self.at;
        self.fill(CHUNK_HEAD_BYTES)?;
        let Some(head) = self.content.first_chunk() else {
            self.cut(self.content.len());
            return Ok(None);
        };
        let head = ChunkHead::decode(head).map_err(|why| self.damaged(why))?;
        if !self.fill(head.stored_bytes as usize)? {
            self.cut(CHUNK_HEAD_BYTES + self.content.len());
            return Ok(None);
        }
        if crc32fast::hash(&self.content) != head.checksum {
            return Err(self.damaged("the checksum of this block is wrong"));
        }
        Ok(Some(head))
    }

    /// Reads `count` bytes into `content`, or what is left of the file: then `false`.
    fn fill(&mut self, count: usize) -> io::Result<bool> {
        self.content.clear();
        self.content.reserve(count);
        let got = self.file.by_ref().take(count as u64).read_to_end(&mut self.content)?;
        self.at += got as u64;
        Ok(got == count)
    }

    fn cut(&mut self, torn: usize) {
        self.state = State::Cut;
        self.cut_bytes = torn as u64;
    }

    fn damaged(&self, why: &'static str) -> RecordingError {
        RecordingError::Damaged { at: self.chunk_at, why }
    }
}
