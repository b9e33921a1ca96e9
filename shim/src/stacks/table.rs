//! From keys to references: open addressing over one word an entry, without locks, that only ever grows.

use std::{
    ptr, slice,
    sync::atomic::{AtomicU64, Ordering},
};

/// Entries that are looked at for one key.
const PROBES: u64 = 64;
const REFERENCE: u64 = 0xFF_FFFF;

/// The upper 40 bits of a key, and the reference. With the place, some 58 bits of the key count.
pub(super) struct Table(&'static [AtomicU64]);

impl Table {
    /// Room for so many entries, a power of two; memory that is touched only where it is used, and not the heap's.
    pub(super) fn new(entries: usize) -> Option<Self> {
        Some(Self(zeroed_words(entries)?))
    }

    #[inline(always)]
    pub(super) fn find(&self, key: u64) -> Option<u32> {
        for probe in 0..PROBES {
            // SYNC (S): Acquire, pairs with the Release in `insert`.
            let entry = self.entry(key, probe)?.load(Ordering::Acquire);
            if entry == 0 {
                return None;
            }
            if entry >> 24 == key >> 24 {
                return Some((entry & REFERENCE) as u32);
            }
        }
        None
    }

    /// Puts `reference` there, or gives the one that another thread has put there meanwhile. A full table keeps nothing.
    pub(super) fn insert(&self, key: u64, reference: u32) -> u32 {
        for probe in 0..PROBES {
            let Some(slot) = self.entry(key, probe) else { break };
            let entry = key & !REFERENCE | u64::from(reference);
            // SYNC (S): Release, pairs with the Acquire in `find` and here: whoever finds the reference may read its record.
            match slot.compare_exchange(0, entry, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return reference,
                Err(other) if other >> 24 == key >> 24 => return (other & REFERENCE) as u32,
                Err(_) => {}
            }
        }
        reference
    }

    #[inline(always)]
    fn entry(&self, key: u64, probe: u64) -> Option<&AtomicU64> {
        // Bits that the entry does not keep choose the place.
        self.0.get((key & REFERENCE).wrapping_add(probe) as usize & (self.0.len() - 1))
    }
}

/// Zeroed memory of its own, for as long as the process lives.
pub(super) fn zeroed_words(count: usize) -> Option<&'static [AtomicU64]> {
    // SAFETY: an anonymous mapping at an address of the kernel's choice, checked before use; zero is a valid word, and the
    // mapping is never unmapped.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let memory = libc::mmap(ptr::null_mut(), count * 8, protection, flags, -1, 0);
        (memory != libc::MAP_FAILED).then(|| slice::from_raw_parts(memory.cast::<AtomicU64>(), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reference_of_a_key_stays() {
        let table = Table::new(64).unwrap();
        let key = |n: u64| n << 24 | 7;
        assert_eq!(table.find(key(1)), None);
        for n in 1..=64 {
            assert_eq!(table.insert(key(n), n as u32), n as u32);
        }
        assert_eq!(table.insert(key(3), 99), 3);
        assert!((1..=64).all(|n| table.find(key(n)) == Some(n as u32)));
        // Full: nothing is kept, and nothing goes wrong.
        assert_eq!((table.insert(key(65), 65), table.find(key(65))), (65, None));
    }
}
