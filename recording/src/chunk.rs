//! The frame of a recording: the head of the file, and the head of each chunk with its checksums.

use crate::RecordingError;

/// The version of the format that this crate writes, and the newest that it reads. Older ones differ in what their records
/// may be, and in nothing else.
pub const FORMAT_VERSION: u32 = 2;

/// What a chunk may hold at most, in bytes: before compression, and as it is stored.
pub const MAX_CHUNK_BYTES: usize = 16 << 20;

/// Events in one chunk, at most.
pub const MAX_CHUNK_EVENTS: usize = 65_536;

/// The first bytes of a recording.
pub const MAGIC: [u8; 8] = *b"TTMEMREC";

pub(crate) const FILE_HEAD_BYTES: usize = 16;
pub(crate) const CHUNK_HEAD_BYTES: usize = 32;

/// What a file begins with: the magic, the version, four bytes for later.
pub(crate) fn file_head() -> [u8; FILE_HEAD_BYTES] {
    let mut head = [0; FILE_HEAD_BYTES];
    head[..8].copy_from_slice(&MAGIC);
    head[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    head
}

/// Checks what a file begins with. `Ok(false)`: so far it may be a recording, but it ends within its head.
pub(crate) fn check_file_head(head: &[u8]) -> Result<bool, RecordingError> {
    let magic = &head[..head.len().min(MAGIC.len())];
    if *magic != MAGIC[..magic.len()] {
        return Err(RecordingError::NotARecording);
    }
    if head.len() < FILE_HEAD_BYTES {
        return Ok(false);
    }
    match u32_at(head, 8) {
        0 => Err(RecordingError::NotARecording),
        1..=FORMAT_VERSION => Ok(true),
        version => Err(RecordingError::Newer { version }),
    }
}

/// What a chunk holds: four letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind([u8; 4]);

impl Kind {
    pub(crate) const EVENTS: Self = Self(*b"EVNT");
    pub(crate) const META: Self = Self(*b"META");
    pub(crate) const END: Self = Self(*b"END.");
}

/// The head of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkHead {
    pub(crate) kind: Kind,
    pub(crate) process: u32,
    /// Events in the chunk; 1 for a document, 0 for the end.
    pub(crate) items: u32,
    /// Bytes of the content before compression.
    pub(crate) plain_bytes: u32,
    /// Bytes of the content as they follow the head; the same as `plain_bytes` if they are not compressed.
    pub(crate) stored_bytes: u32,
    /// CRC-32 of the stored bytes.
    pub(crate) checksum: u32,
}

impl ChunkHead {
    /// The head as it is stored. It has a checksum of its own, so that a damaged length is not taken for a file that was
    /// cut short.
    pub(crate) fn encode(&self) -> [u8; CHUNK_HEAD_BYTES] {
        let mut head = [0; CHUNK_HEAD_BYTES];
        head[..4].copy_from_slice(&self.kind.0);
        let fields = [self.process, self.items, self.plain_bytes, self.stored_bytes, self.checksum];
        for (bytes, field) in head[4..].chunks_exact_mut(4).zip(fields) {
            bytes.copy_from_slice(&field.to_le_bytes());
        }
        let checksum = crc32fast::hash(&head[..28]);
        head[28..].copy_from_slice(&checksum.to_le_bytes());
        head
    }

    /// Reads a head, and bounds its lengths before anybody makes room for them.
    pub(crate) fn decode(head: &[u8; CHUNK_HEAD_BYTES]) -> Result<Self, &'static str> {
        if crc32fast::hash(&head[..28]) != u32_at(head, 28) {
            return Err("the checksum of this block's head is wrong");
        }
        let head = Self {
            kind: Kind([head[0], head[1], head[2], head[3]]),
            process: u32_at(head, 4),
            items: u32_at(head, 8),
            plain_bytes: u32_at(head, 12),
            stored_bytes: u32_at(head, 16),
            checksum: u32_at(head, 20),
        };
        if head.plain_bytes as usize > MAX_CHUNK_BYTES || head.stored_bytes > head.plain_bytes {
            return Err("this block says that it has an impossible length");
        }
        if head.kind == Kind::EVENTS && head.items as usize > MAX_CHUNK_EVENTS {
            return Err("this block says that it has too many events");
        }
        Ok(head)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
