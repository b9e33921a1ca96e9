//! Where on a shelf the region at an address lies.
//!
//! Half of what an event costs in a large ledger is waiting for memory, so this is made for few cache lines: a slot is eight
//! bytes, and a search reads slots that lie side by side. It keeps no addresses. They lie on the shelf, where whoever finds
//! something looks next anyway.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

/// What no entry looks like: entries count from one.
const FREE: u64 = 0;
/// The slots of the smallest table, which is a cache line.
const FEWEST: usize = 8;

/// Open addressing, by linear probing. A slot has the address's hash above and its place on the shelf, counted from one, below;
/// the upper bits of the hash say where the search begins. So a table can grow, and close the gap of an entry that goes,
/// without a look at the shelf.
#[derive(Debug, Default)]
pub(crate) struct AddressIndex {
    /// None, or a power of two of them; half is free at least, so that a search seldom goes beyond its first slot.
    slots: Vec<u64>,
    entries: usize,
    hasher: RandomState,
}

/// An address's hash, for calls that follow one another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hash(u32);

/// An entry, until something is put in or taken out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    slot: usize,
    /// Where on the shelf the region lies.
    pub(crate) at: u32,
}

impl AddressIndex {
    pub(crate) fn hash(&self, address: u64) -> Hash {
        Hash((self.hasher.hash_one(address) >> 32) as u32)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Where the searches for these begin.
    pub(crate) fn homes<const COUNT: usize>(&self, hashes: &[Hash; COUNT]) -> [u32; COUNT] {
        hashes.map(|hash| self.home(hash) as u32)
    }

    /// Reads these slots, which brings those beside them into the cache. Nothing but reads: the processor then waits for as many of
    /// them at once as it can.
    #[inline]
    pub(crate) fn read(&self, homes: &[u32]) -> u64 {
        homes.iter().filter_map(|&home| self.slots.get(home as usize)).fold(0, |read, slot| read ^ slot)
    }

    /// The entry of a region: of those with this hash, the one whose place on the shelf `is_meant`.
    #[inline]
    pub(crate) fn find(&self, hash: Hash, is_meant: impl Fn(u32) -> bool) -> Option<Found> {
        if self.slots.is_empty() {
            return None;
        }
        let mut slot = self.home(hash);
        loop {
            let entry = self.slots[slot];
            if entry == FREE {
                return None;
            }
            if hash_of(entry).0 == hash.0 && is_meant(shelf_place(entry)) {
                return Some(Found { slot, at: shelf_place(entry) });
            }
            slot = self.behind(slot);
        }
    }

    /// A region that is not in it yet.
    pub(crate) fn insert(&mut self, hash: Hash, at: u32) {
        self.reserve(1);
        self.put(slot_for(hash, at));
    }

    /// Takes an entry out that was just found.
    pub(crate) fn remove(&mut self, found: Found) {
        self.close_gap(found.slot);
        self.entries -= 1;
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        let wanted = self.entries + more;
        if wanted > self.slots.len() / 2 {
            self.grow(wanted);
        }
    }

    #[cold]
    fn grow(&mut self, wanted: usize) {
        let length = (wanted * 2).next_power_of_two().max(FEWEST);
        let before = std::mem::replace(&mut self.slots, vec![FREE; length]);
        self.entries = 0;
        before.into_iter().filter(|&slot| slot != FREE).for_each(|slot| self.put(slot));
    }

    fn put(&mut self, entry: u64) {
        let mut slot = self.home(hash_of(entry));
        while self.slots[slot] != FREE {
            slot = self.behind(slot);
        }
        self.slots[slot] = entry;
        self.entries += 1;
    }

    /// Frees a slot: an entry behind it that would have taken it, had it been free, moves there, and leaves a gap itself.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.slots.len() - 1;
        let mut slot = gap;
        loop {
            slot = self.behind(slot);
            let entry = self.slots[slot];
            if entry == FREE {
                break;
            }
            // How far it lies behind the slot where its search begins, and how far behind the gap.
            let from_home = slot.wrapping_sub(self.home(hash_of(entry))) & mask;
            let from_gap = slot.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.slots[gap] = entry;
                gap = slot;
            }
        }
        self.slots[gap] = FREE;
    }

    fn home(&self, hash: Hash) -> usize {
        // The upper bits, as many as number the slots.
        ((u64::from(hash.0) * self.slots.len() as u64) >> 32) as usize
    }

    fn behind(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }
}

fn slot_for(hash: Hash, at: u32) -> u64 {
    (u64::from(hash.0) << 32) | (u64::from(at) + 1)
}

fn shelf_place(entry: u64) -> u32 {
    (entry as u32).wrapping_sub(1)
}

fn hash_of(entry: u64) -> Hash {
    Hash((entry >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{AddressIndex, FEWEST, FREE, Hash};

    impl AddressIndex {
        /// Half is free, and no search ends before its entry.
        fn check(&self) {
            let taken = self.slots.iter().filter(|&&slot| slot != FREE).count();
            assert_eq!(taken, self.entries);
            assert!(taken * 2 <= self.slots.len());
        }
    }

    proptest! {
        /// Hashes that are much alike: entries lie in each other's way, and some share their hash as well.
        #[test]
        fn an_index_finds_what_a_map_has(
            events in prop::collection::vec((any::<bool>(), 0_u32..24, 0_u32..4), 0..400),
            all_at_the_end in any::<bool>(),
        ) {
            let hash = |home: u32, low: u32| Hash(if all_at_the_end { u32::MAX - low } else { home << 27 | low });
            let (mut index, mut known) = (AddressIndex::default(), HashMap::new());
            let mut next = 0;
            for (is_new, home, low) in events {
                let hash = hash(home, low);
                let held: &mut Vec<u32> = known.entry(hash.0).or_default();
                if is_new {
                    held.push(next);
                    index.insert(hash, next);
                    next += 1;
                } else if let Some(at) = held.pop() {
                    let found = index.find(hash, |other| other == at);
                    prop_assert_eq!(found.map(|found| found.at), Some(at));
                    found.into_iter().for_each(|found| index.remove(found));
                }
                index.check();
                prop_assert_eq!(index.len(), known.values().map(Vec::len).sum::<usize>());
                for (&hash, held) in &known {
                    for &at in held {
                        prop_assert!(index.find(Hash(hash), |other| other == at).is_some());
                    }
                }
            }
        }
    }

    #[test]
    fn an_empty_one_has_no_memory_and_half_stays_free() {
        let mut index = AddressIndex::default();
        assert!(index.find(Hash(7), |_| true).is_none());
        assert_eq!((index.slots.len(), index.read(&index.homes(&[Hash(7)]))), (0, 0));
        (0..FEWEST as u32).for_each(|at| index.insert(Hash(at << 29), at));
        assert_eq!(index.slots.len(), 2 * FEWEST);
        let first = index.find(Hash(0), |_| true).expect("it was put in");
        index.remove(first);
        assert!(index.find(Hash(0), |_| true).is_none());
    }
}
