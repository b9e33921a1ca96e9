//! Compression of a chunk's content: zstd, or nothing where that would gain nothing.

use std::io;

/// What the columns leave is mostly noise. Measured on the bench's trace: level 1 makes 7.9 bytes an event of it, level 3
/// 7.85 for half as much time again, level -3 9.4, LZ4 9.6.
const LEVEL: i32 = 1;

/// Less than this is stored as it is, so that documents can be read with any tool.
const WORTH_COMPRESSING: usize = 1024;

/// Compresses chunk after chunk with one context.
pub(crate) struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    compressed: Vec<u8>,
}

impl Compressor {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { zstd: zstd::bulk::Compressor::new(LEVEL)?, compressed: Vec::new() })
    }

    /// What is to be stored of `plain`: something shorter, or `plain` itself.
    pub(crate) fn compress<'a>(&'a mut self, plain: &'a [u8]) -> &'a [u8] {
        if plain.len() < WORTH_COMPRESSING {
            return plain;
        }
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(plain.len()));
        // A compressor that fails is no reason to lose events.
        match self.zstd.compress_to_buffer(plain, &mut self.compressed) {
            Ok(length) if length < plain.len() => &self.compressed,
            _ => plain,
        }
    }
}

/// The inverse of [`Compressor`].
pub(crate) struct Decompressor {
    zstd: zstd::bulk::Decompressor<'static>,
    plain: Vec<u8>,
}

impl Decompressor {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { zstd: zstd::bulk::Decompressor::new()?, plain: Vec::new() })
    }

    /// Makes of what was stored the `plain_bytes` bytes that it stands for. The caller has bounded how many: no more are
    /// written. `false` if it stands for others, or for nothing.
    pub(crate) fn decompress(&mut self, content: &mut Vec<u8>, plain_bytes: usize) -> bool {
        if content.len() == plain_bytes {
            return true;
        }
        self.plain.resize(plain_bytes, 0);
        let length = self.zstd.decompress_to_buffer(content, &mut self.plain[..]);
        std::mem::swap(content, &mut self.plain);
        length.is_ok_and(|length| length == plain_bytes)
    }
}
