//! What was worked out of an address of code once, and is kept: a word for each, without locks. Entries are made once and
//! stay; what finds no room is worked out each time.

use std::sync::atomic::{AtomicU64, Ordering};

/// Entries that are looked at for one address.
const PROBES: usize = 16;

/// Where a word's entry is looked for first, in a table of 2^`log2`: objects of one size often lie at equal distances; multiplied,
/// they spread.
#[inline(always)]
pub(crate) fn first_place(word: u64, log2: u32) -> usize {
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - log2)) as usize
}

/// Words by address. As a static, it takes memory where it is touched.
pub(crate) struct Known<const ENTRIES: usize>([Entry; ENTRIES]);

struct Entry {
    /// 0 in a free one.
    address: AtomicU64,
    /// 0 while it is being written.
    word: AtomicU64,
}

impl<const ENTRIES: usize> Known<ENTRIES> {
    /// One that knows nothing.
    pub(crate) const fn new() -> Self {
        const { assert!(ENTRIES.is_power_of_two() && ENTRIES > 1) };
        Self([const { Entry { address: AtomicU64::new(0), word: AtomicU64::new(0) } }; ENTRIES])
    }

    /// What is kept of this address.
    #[inline(always)]
    pub(crate) fn get(&self, address: usize) -> Option<u64> {
        for entry in self.probes(address) {
            match entry.address.load(Ordering::Relaxed) {
                // SYNC (U): Acquire, pairs with the Release in `keep`; the word is complete in itself.
                known if known == address as u64 => {
                    return Some(entry.word.load(Ordering::Acquire)).filter(|&word| word != 0);
                }
                0 => return None,
                _ => {}
            }
        }
        None
    }

    /// Keeps this word of the address; it is not 0.
    pub(crate) fn keep(&self, address: usize, word: u64) {
        for entry in self.probes(address) {
            match entry.address.compare_exchange(0, address as u64, Ordering::Relaxed, Ordering::Relaxed) {
                // SYNC (U): see `get`.
                Ok(_) => entry.word.store(word, Ordering::Release),
                // Another thread was faster, and has worked out the same.
                Err(known) if known == address as u64 => {}
                Err(_) => continue,
            }
            return;
        }
    }

    #[inline(always)]
    fn probes(&self, address: usize) -> impl Iterator<Item = &Entry> {
        let first = first_place(address as u64, ENTRIES.trailing_zeros());
        (0..PROBES).filter_map(move |probe| self.0.get((first + probe) & (ENTRIES - 1)))
    }
}
