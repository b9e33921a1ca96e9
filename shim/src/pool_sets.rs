//! Which pool stands for several at once: entered into the ring's table when such a set is first seen, then found again by a
//! short walk. Entries of the table never change their meaning, so neither do these.

use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use ttmem_ring::PoolTable;
use ttmem_wire::{MAX_POOLS, Pool};

/// A set of pools: a bit for each entry of the pool table.
pub(crate) type PoolBits = [u64; WORDS];

/// The set that has none.
pub(crate) const NO_POOLS: PoolBits = [0; WORDS];

const WORDS: usize = MAX_POOLS / 64;

/// Sets that are known at once: a mesh has one, and each submesh. So few that the table keeps room for others.
const ENTRIES: usize = 32;

#[derive(Default)]
struct Entry {
    pools: [AtomicU64; WORDS],
    stands: AtomicU32,
}

/// The sets of one process.
pub(crate) struct PoolSets {
    entries: [Entry; ENTRIES],
    used: AtomicUsize,
    changing: AtomicBool,
}

impl PoolSets {
    pub(crate) fn new() -> Self {
        Self {
            entries: std::array::from_fn(|_| Entry::default()),
            used: AtomicUsize::new(0),
            changing: AtomicBool::new(false),
        }
    }

    /// The pool that stands for these (of which there is one at least); `None` if there is no room for another.
    #[inline]
    pub(crate) fn find(&self, table: PoolTable<'_>, pools: &PoolBits) -> Option<u32> {
        if let Some(only) = only(pools) {
            return Some(only);
        }
        // SYNC (W): Acquire, pairs with the Release store in `enter`: entries below it are complete.
        let used = self.entries.get(..self.used.load(Ordering::Acquire)).unwrap_or(&[]);
        let is_meant =
            |entry: &&Entry| entry.pools.iter().zip(pools).all(|(it, &bits)| it.load(Ordering::Relaxed) == bits);
        match used.iter().find(is_meant) {
            Some(entry) => Some(entry.stands.load(Ordering::Relaxed)),
            None => self.enter(table, pools),
        }
    }

    #[cold]
    fn enter(&self, table: PoolTable<'_>, pools: &PoolBits) -> Option<u32> {
        let used = self.used.load(Ordering::Relaxed);
        // Another thread at it: this time they are reported one by one. So are those for which there is no room.
        if used == ENTRIES || self.changing.swap(true, Ordering::Acquire) {
            return None;
        }
        let stands = self.enter_alone(table, pools);
        self.changing.store(false, Ordering::Release);
        stands
    }

    fn enter_alone(&self, table: PoolTable<'_>, pools: &PoolBits) -> Option<u32> {
        // Read again, now that nobody else changes it; a set that came meanwhile is entered twice, which does no harm.
        let used = self.used.load(Ordering::Relaxed);
        let entry = self.entries.get(used)?;
        let mut all = Pool::default();
        for pool in each(pools) {
            let Pool { allocator, chips, .. } = table.get(pool)?;
            all.allocator = allocator;
            all.chips.extend(chips);
        }
        let stands = table.enter(&all)?;
        entry.pools.iter().zip(pools).for_each(|(word, &bits)| word.store(bits, Ordering::Relaxed));
        entry.stands.store(stands, Ordering::Relaxed);
        // SYNC (W): see `find`.
        self.used.store(used + 1, Ordering::Release);
        Some(stands)
    }
}

/// Puts a pool into a set; false if it is there already, or no such pool can be.
#[inline(always)]
pub(crate) fn insert(pools: &Cell<PoolBits>, pool: u32) -> bool {
    // Word by word: the whole would be copied there and back.
    let words: &Cell<[u64]> = pools;
    let Some(word) = words.as_slice_of_cells().get(pool as usize / 64) else { return false };
    let bit = 1 << (pool % 64);
    let is_new = word.get() & bit == 0;
    word.set(word.get() | bit);
    is_new
}

/// The pools of a set, in order.
pub(crate) fn each(pools: &PoolBits) -> impl Iterator<Item = u32> {
    let pools = *pools;
    (0..WORDS * 64).filter(move |at| pools[at / 64] >> (at % 64) & 1 == 1).map(|at| at as u32)
}

#[inline]
fn only(pools: &PoolBits) -> Option<u32> {
    let mut words = pools.iter().enumerate().filter(|&(_, &word)| word != 0);
    match (words.next(), words.next()) {
        (Some((at, word)), None) if word.is_power_of_two() => Some(at as u32 * 64 + word.trailing_zeros()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ttmem_ring::Slot;

    use super::*;

    fn bits(pools: &[u32]) -> PoolBits {
        let bits = Cell::new(NO_POOLS);
        pools.iter().for_each(|&pool| assert!(insert(&bits, pool)));
        bits.get()
    }

    #[test]
    fn a_set_is_entered_once_with_the_chips_of_all() {
        let slots: Vec<Slot> = (0..256).map(|_| Slot::default()).collect();
        let (table, sets) = (PoolTable::new(&slots), PoolSets::new());
        for chip in 0..200 {
            let pool = Pool { allocator: 3, chips: vec![chip] };
            assert_eq!(table.enter(&pool), Some(chip as u32));
        }
        assert_eq!(sets.find(table, &bits(&[70])), Some(70), "one stands for itself");
        for _ in 0..2 {
            assert_eq!(sets.find(table, &bits(&[0, 70, 199])), Some(200));
            assert_eq!(sets.find(table, &bits(&[0, 70])), Some(201));
        }
        assert_eq!(table.get(200), Some(Pool { allocator: 3, chips: vec![0, 70, 199] }));
        assert_eq!(each(&bits(&[0, 70, 199])).collect::<Vec<_>>(), [0, 70, 199]);
    }

    #[test]
    fn where_there_is_no_room_none_is_named() {
        let slots: Vec<Slot> = (0..256).map(|_| Slot::default()).collect();
        let (table, sets) = (PoolTable::new(&slots), PoolSets::new());
        for chip in 0..64 {
            assert!(table.enter(&Pool { allocator: 1, chips: vec![chip] }).is_some());
        }
        for other in 1..=32 {
            assert!(sets.find(table, &bits(&[0, other])).is_some());
        }
        assert_eq!(sets.find(table, &bits(&[0, 33])), None);
        assert_eq!(sets.find(table, &bits(&[0, 32])), Some(95), "those that were entered are found");
    }
}
