//! What the C programs write down while they run: `shared_words` of `tests/c/events.h`.

/// A word of eight bytes in each cache line.
#[must_use]
pub fn words_in(bytes: &[u8]) -> Vec<u64> {
    let word = |line: &[u8]| line[..8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    bytes.chunks_exact(64).map(word).collect()
}
