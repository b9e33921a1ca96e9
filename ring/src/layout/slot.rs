//! Memory for one record, shared between threads and processes.

use ttmem_wire::RECORD_WORDS;

use crate::sync::{AtomicU64, Ordering};

/// One cache line of eight words.
///
/// Word 0 is the state of the slot (in the queue) or the sequence number of the record (in the ring); the others are payload.
/// Payload is read and written with relaxed atomics, since another process may write it at the same time. Word 0 then decides
/// whether the copy counts.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Slot {
    pub(crate) words: [AtomicU64; RECORD_WORDS],
}

impl Slot {
    /// Has the processor fetch the slot for a write: the flusher has read it last, on another core.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        // SAFETY: PREFETCHW changes nothing that a program can see, and does nothing on processors that lack it.
        #[cfg(all(target_arch = "x86_64", not(any(loom, shuttle, miri))))]
        unsafe {
            core::arch::asm!("prefetchw [{}]", in(reg) std::ptr::from_ref(self), options(nostack, preserves_flags, readonly));
        }
    }

    /// Copies the payload out, with `sequence` as word 0.
    #[inline]
    pub(crate) fn copy_payload(&self, sequence: u64) -> [u64; RECORD_WORDS] {
        let mut words = [0; RECORD_WORDS];
        words[0] = sequence;
        for (word, shared) in words.iter_mut().zip(&self.words).skip(1) {
            *word = shared.load(Ordering::Relaxed);
        }
        words
    }

    /// Copies all words out.
    #[inline]
    pub(crate) fn copy(&self) -> [u64; RECORD_WORDS] {
        self.copy_payload(self.words[0].load(Ordering::Relaxed))
    }

    /// Writes the payload; the caller publishes it.
    #[inline]
    pub(crate) fn write_payload(&self, payload: &[u64]) {
        for (shared, &word) in self.words[1..].iter().zip(payload) {
            shared.store(word, Ordering::Relaxed);
        }
    }

    /// Writes all words; the caller publishes them.
    #[inline]
    pub(crate) fn write(&self, words: &[u64; RECORD_WORDS]) {
        self.words[0].store(words[0], Ordering::Relaxed);
        self.write_payload(&words[1..]);
    }
}
