//! The pool table: the chips of each allocator's memory.
//!
//! It lies in the file, not in the stream of events: a dropped event never makes later ones unreadable.

use ttmem_wire::{MAX_POOLS, Pool};

use super::Slot;
use crate::sync::Ordering;

/// A view of the table. Word 0 of an entry: 0 free, 1 being written, 2 complete.
#[derive(Clone, Copy, Debug)]
pub struct PoolTable<'a> {
    entries: &'a [Slot],
}

const FREE: u64 = 0;
const WRITING: u64 = 1;
const COMPLETE: u64 = 2;

impl<'a> PoolTable<'a> {
    /// A table over these entries.
    pub fn new(entries: &'a [Slot]) -> Self {
        Self { entries: &entries[..entries.len().min(MAX_POOLS)] }
    }

    /// Enters a pool and returns its index; the same pool is not entered twice by callers that take turns. `None` if the
    /// table is full or a chip id does not fit.
    pub fn enter(&self, pool: &Pool) -> Option<u32> {
        let words = pool.encode()?;
        for (index, entry) in self.entries.iter().enumerate() {
            // SYNC (F): Acquire, pairs with the Release store below: who sees an entry complete sees its words.
            match entry.words[0].compare_exchange(FREE, WRITING, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    entry.write_payload(&words[1..]);
                    entry.words[0].store(COMPLETE, Ordering::Release);
                    return Some(index as u32);
                }
                Err(COMPLETE) if entry.copy_payload(0) == words => return Some(index as u32),
                Err(_) => {}
            }
        }
        None
    }

    /// The pool at `index`, once it is complete.
    pub fn get(&self, index: u32) -> Option<Pool> {
        let entry = self.entries.get(index as usize)?;
        // SYNC (F): Acquire, pairs with the Release store in `enter`.
        (entry.words[0].load(Ordering::Acquire) == COMPLETE).then(|| Pool::decode(&entry.copy_payload(0)))
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn pools_are_entered_once_and_a_full_table_refuses() {
        let entries: Vec<Slot> = (0..2).map(|_| Slot::default()).collect();
        let table = PoolTable::new(&entries);
        let pool = |chip| Pool { allocator: 1, chips: vec![chip] };
        assert_eq!(table.get(0), None);
        assert_eq!(table.enter(&pool(4)), Some(0));
        assert_eq!(table.enter(&pool(5)), Some(1));
        assert_eq!(table.enter(&pool(4)), Some(0));
        assert_eq!(table.enter(&pool(6)), None);
        assert_eq!(table.get(1), Some(pool(5)));
        assert_eq!(table.get(2), None);
    }
}
