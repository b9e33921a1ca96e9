//! Which pool a device object and its allocator stand for: asked of tt-metal once, then found by their addresses.
//!
//! Addresses are reused after a device is closed, so closing takes them out of the cache. Entries are few (one a mesh,
//! submesh or chip), so a look is a short walk, and where the last one ended is remembered by address; all words are
//! atomics, and changes take turns by a try-lock.

use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering};

use ttmem_ring::PoolTable;
use ttmem_wire::Pool;

use crate::{known::first_place, turn::Turns};

const ENTRIES: usize = 512;
/// Bytes of an allocator object that may be looked for something inside it. It has 0x2a0 and a few more, and the arena lies at 0x1a8
/// (0.81.1): from another allocator, it is further away than this.
const ALLOCATOR_BYTES: usize = 0x300;
/// Remembered places. Chips beyond some dozens share them, and then are walked to now and then.
const HINTS_LOG2: u32 = 7;

#[derive(Default)]
struct Entry {
    device: AtomicUsize,
    allocator: AtomicUsize,
    /// Pool index, and the allocator's number in the upper half.
    value: AtomicU64,
}

impl Entry {
    /// SYNC: Acquire, pairs with the Release store of `device` in `insert`, which is the entry's last.
    #[inline(always)]
    fn is_of(&self, device: usize, allocator: usize) -> bool {
        self.device.load(Ordering::Acquire) == device && self.allocator.load(Ordering::Relaxed) == allocator
    }
}

/// The cache of one process.
pub(crate) struct PoolCache {
    entries: [Entry; ENTRIES],
    /// Entries below this were used once.
    used: AtomicUsize,
    /// Who changes entries. Without it, two changes at once can at worst leave an entry that is asked for again.
    changing: Turns,
    /// By address: where an entry was found last. Any number is right, as the entry itself says whose it is.
    hints: [AtomicU16; 1 << HINTS_LOG2],
}

/// What the hints are found by.
#[inline(always)]
fn hint_of(device: usize, allocator: usize) -> usize {
    first_place((device ^ allocator.rotate_left(32)) as u64, HINTS_LOG2)
}

impl PoolCache {
    pub(crate) fn new() -> Self {
        Self {
            entries: std::array::from_fn(|_| Entry::default()),
            used: AtomicUsize::new(0),
            changing: Turns::new(),
            hints: [const { AtomicU16::new(0) }; 1 << HINTS_LOG2],
        }
    }

    fn used(&self) -> &[Entry] {
        // SYNC: Acquire, pairs with the Release store in `insert`.
        self.entries.get(..self.used.load(Ordering::Acquire)).unwrap_or(&[])
    }

    /// The pool of this device object and allocator (0 for none).
    #[inline]
    pub(crate) fn find(&self, device: usize, allocator: usize) -> Option<u32> {
        let used = self.used();
        // SYNC: alone; whatever number it is, the entry there is asked.
        let hint = &self.hints[hint_of(device, allocator)];
        let entry = match used.get(usize::from(hint.load(Ordering::Relaxed))) {
            Some(entry) if entry.is_of(device, allocator) => entry,
            _ => {
                let index = used.iter().position(|entry| entry.is_of(device, allocator))?;
                hint.store(index as u16, Ordering::Relaxed);
                &used[index]
            }
        };
        Some(entry.value.load(Ordering::Relaxed) as u32)
    }

    /// The pool of the allocator that contains this address.
    #[cold]
    pub(crate) fn find_around(&self, address: usize) -> Option<u32> {
        let begins = |entry: &&Entry| {
            let allocator = entry.allocator.load(Ordering::Relaxed);
            // Before its allocator, an entry says whose device it is: 0 once it is forgotten.
            entry.device.load(Ordering::Acquire) != 0
                && (allocator..allocator + ALLOCATOR_BYTES).contains(&address)
                && allocator != 0
        };
        let around = self.used().iter().filter(begins).max_by_key(|entry| entry.allocator.load(Ordering::Relaxed))?;
        Some(around.value.load(Ordering::Relaxed) as u32)
    }

    /// Whether an allocator was seen at work for this device object.
    #[cold]
    pub(crate) fn has_allocator_of(&self, device: usize) -> bool {
        let is_one = |entry: &&Entry| entry.allocator.load(Ordering::Relaxed) != 0;
        self.used().iter().filter(is_one).any(|entry| entry.device.load(Ordering::Relaxed) == device)
    }

    /// Enters what was asked of tt-metal, after `before` has run with the pool's number. `None` if there is no room.
    #[cold]
    pub(crate) fn insert(
        &self,
        table: PoolTable<'_>,
        device: usize,
        allocator: usize,
        mut pool: Pool,
        before: impl FnOnce(u32),
    ) -> Option<u32> {
        let index = {
            let _turn = self.changing.spin();
            pool.allocator = self.allocator_number(allocator);
            table.enter(&pool)?
        };
        before(index);
        let _turn = self.changing.spin();
        let used = self.used().len();
        let free = self.used().iter().position(|entry| entry.device.load(Ordering::Relaxed) == 0).unwrap_or(used);
        let entry = self.entries.get(free)?;
        entry.value.store(u64::from(index) | u64::from(pool.allocator) << 32, Ordering::Relaxed);
        entry.allocator.store(allocator, Ordering::Relaxed);
        // SYNC: see `is_of`.
        entry.device.store(device, Ordering::Release);
        self.used.store(used.max(free + 1), Ordering::Release);
        Some(index)
    }

    /// Takes out every entry of this allocator, handing each pool to `each` first.
    pub(crate) fn remove_allocator(&self, allocator: usize, mut each: impl FnMut(u32)) {
        let _turn = self.changing.spin();
        for entry in self.used() {
            if entry.allocator.load(Ordering::Relaxed) == allocator && entry.device.load(Ordering::Relaxed) != 0 {
                each(entry.value.load(Ordering::Relaxed) as u32);
                entry.device.store(0, Ordering::Relaxed);
                entry.allocator.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Takes out every entry of this device object.
    pub(crate) fn remove_device(&self, device: usize) {
        let _turn = self.changing.spin();
        for entry in self.used() {
            if entry.device.load(Ordering::Relaxed) == device {
                entry.device.store(0, Ordering::Relaxed);
                entry.allocator.store(0, Ordering::Relaxed);
            }
        }
    }

    /// A number for the allocator: its own while it is known, else the smallest that no known allocator has. Numbers come
    /// back after a release, so a mesh that is opened a thousand times uses one entry of the pool table.
    fn allocator_number(&self, allocator: usize) -> u32 {
        let number = |entry: &Entry| (entry.value.load(Ordering::Relaxed) >> 32) as u32;
        let live = || self.used().iter().filter(|entry| entry.device.load(Ordering::Relaxed) != 0);
        live()
            .find(|entry| entry.allocator.load(Ordering::Relaxed) == allocator)
            .map(number)
            .unwrap_or_else(|| (1..).find(|&free| live().all(|entry| number(entry) != free)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use ttmem_ring::Slot;

    use super::*;

    fn pool(chips: &[i32]) -> Pool {
        Pool { allocator: 0, chips: chips.to_vec() }
    }

    #[test]
    fn a_closed_device_is_forgotten_and_its_address_means_another() {
        let slots: Vec<Slot> = (0..8).map(|_| Slot::default()).collect();
        let (table, cache) = (PoolTable::new(&slots), PoolCache::new());
        assert_eq!(cache.insert(table, 0x1000, 0, pool(&[0]), |_| ()), Some(0));
        assert_eq!(cache.find(0x1000, 0), Some(0));
        cache.remove_device(0x1000);
        assert_eq!(cache.find(0x1000, 0), None);
        assert_eq!(cache.insert(table, 0x1000, 0, pool(&[7]), |_| ()), Some(1));
    }

    #[test]
    fn a_mesh_that_is_opened_again_and_again_uses_one_entry() {
        let slots: Vec<Slot> = (0..8).map(|_| Slot::default()).collect();
        let (table, cache) = (PoolTable::new(&slots), PoolCache::new());
        for round in 1..500 {
            assert_eq!(cache.insert(table, 0x1000 * round, 0x10 * round, pool(&[0, 1]), |_| ()), Some(0));
            let mut released = Vec::new();
            cache.remove_allocator(0x10 * round, |pool| released.push(pool));
            assert_eq!(released, [0]);
        }
    }

    #[test]
    fn many_chips_are_each_found_again_in_any_order() {
        let slots: Vec<Slot> = (0..1024).map(|_| Slot::default()).collect();
        let (table, cache) = (PoolTable::new(&slots), PoolCache::new());
        let chips: Vec<usize> = (1..250).collect();
        for &chip in &chips {
            assert!(cache.insert(table, chip * 0x2340, 0, pool(&[chip as i32]), |_| ()).is_some());
        }
        for &chip in chips.iter().chain(chips.iter().rev()) {
            let found = cache.find(chip * 0x2340, 0).and_then(|pool| table.get(pool));
            assert_eq!(found.map(|pool| pool.chips), Some(vec![chip as i32]));
        }
        cache.remove_device(7 * 0x2340);
        assert_eq!(cache.find(7 * 0x2340, 0), None, "though its place is remembered");
    }

    #[test]
    fn two_allocators_at_once_have_two_numbers_and_only_one_is_released() {
        let slots: Vec<Slot> = (0..8).map(|_| Slot::default()).collect();
        let (table, cache) = (PoolTable::new(&slots), PoolCache::new());
        let mesh = cache.insert(table, 0x1000, 0x10, pool(&[0, 1]), |_| ()).unwrap();
        let submesh = cache.insert(table, 0x2000, 0x20, pool(&[0]), |_| ()).unwrap();
        assert_ne!(table.get(mesh).unwrap().allocator, table.get(submesh).unwrap().allocator);
        cache.remove_allocator(0x20, |pool| assert_eq!(pool, submesh));
        assert_eq!((cache.find(0x1000, 0x10), cache.find(0x2000, 0x20)), (Some(mesh), None));
    }
}
