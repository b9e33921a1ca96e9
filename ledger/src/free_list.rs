//! What a bank has free, by replay of the allocations that live in it.

use std::ops::Range;

use crate::{LiveRegion, pressure::Bank};

/// The free blocks of a memory. They are the same in each of its banks, since a buffer has its address in all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FreeList {
    /// The bank.
    pub bank: Bank,
    /// Its free blocks, from the bottom. None is empty, and no two touch.
    pub blocks: Vec<Range<u64>>,
}

/// What a memory has, and what it has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Headroom {
    /// Bytes of a bank.
    pub capacity_per_bank: u64,
    /// Banks of the device.
    pub banks: u32,
    /// Bytes that are free in each bank, and the largest block of them; `None` where the bytes a bank of an allocation are not
    /// known.
    pub free_per_bank: Option<u64>,
    /// The same.
    pub largest_free_block_per_bank: Option<u64>,
}

impl FreeList {
    /// What these ranges, in any order, leave of a bank. They may overlap, and reach out of it.
    pub(crate) fn new(bank: Bank, mut taken: Vec<Range<u64>>) -> Self {
        taken.retain(|range| !range.is_empty());
        taken.sort_unstable_by_key(|range| range.start);
        let end = bank.end();
        let mut blocks = Vec::new();
        let mut at = bank.base;
        for range in taken {
            let start = range.start.min(end);
            if start > at {
                blocks.push(at..start);
            }
            at = at.max(range.end);
        }
        if at < end {
            blocks.push(at..end);
        }
        Self { bank, blocks }
    }

    /// Bytes that are free in each bank.
    pub fn free(&self) -> u64 {
        self.blocks.iter().map(length).sum()
    }

    /// Bytes of the largest free block.
    pub fn largest_block(&self) -> u64 {
        self.blocks.iter().map(length).max().unwrap_or(0)
    }
}

fn length(block: &Range<u64>) -> u64 {
    block.end - block.start
}

impl Headroom {
    pub(crate) fn new(bank: Bank, list: Option<&FreeList>) -> Self {
        Self {
            capacity_per_bank: bank.bytes,
            banks: bank.banks,
            free_per_bank: list.map(FreeList::free),
            largest_free_block_per_bank: list.map(FreeList::largest_block),
        }
    }

    /// Bytes of all banks of the device.
    pub fn capacity(&self) -> u64 {
        self.capacity_per_bank.saturating_mul(self.banks.into())
    }

    /// Bytes of the largest free block, of all banks: a buffer of so many bytes finds room, spread over all of them.
    pub fn largest_free_block(&self) -> Option<u64> {
        Some(self.largest_free_block_per_bank?.saturating_mul(self.banks.into()))
    }

    /// Bytes that are free in all banks of the device.
    pub fn free(&self) -> Option<u64> {
        Some(self.free_per_bank?.saturating_mul(self.banks.into()))
    }
}

/// Where an allocation lies in each bank, if that is known. A buffer over memory that was there before takes nothing.
pub(crate) fn taken(region: &LiveRegion) -> Option<Range<u64>> {
    let bytes = if region.preallocated { 0 } else { region.size_per_bank? };
    Some(region.address..region.address.saturating_add(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BANK: Bank = Bank { base: 100, bytes: 100, banks: 2 };

    #[test]
    fn what_is_taken_splits_a_bank() {
        let list = FreeList::new(BANK, vec![150..160, 100..110, 155..170, 190..300, 0..50, 130..130]);
        assert_eq!(list.blocks, [110..150, 170..190]);
        assert_eq!((list.free(), list.largest_block()), (60, 40));
        let headroom = Headroom::new(BANK, Some(&list));
        assert_eq!((headroom.capacity(), headroom.free()), (200, Some(120)));
        assert_eq!(FreeList::new(BANK, vec![0..1000, 5..7]).blocks, []);
        assert_eq!(FreeList::new(BANK, Vec::new()).largest_block(), 100);
        let last = Bank { base: u64::MAX - 5, bytes: 100, banks: 1 };
        assert_eq!(FreeList::new(last, vec![u64::MAX - 3..u64::MAX, 0..7]).free(), 2);
    }

    proptest! {
        #[test]
        fn free_is_what_a_bitmap_says(ranges in prop::collection::vec((0_u64..260, 0_u64..60), 0..20)) {
            let mut bitmap = [false; 320];
            for &(start, length) in &ranges {
                bitmap[start as usize..(start + length) as usize].fill(true);
            }
            let list = FreeList::new(BANK, ranges.into_iter().map(|(start, length)| start..start + length).collect());
            let free = bitmap[100..200].iter().filter(|&&taken| !taken).count();
            prop_assert_eq!(list.free(), free as u64);
            let runs = bitmap[100..200].split(|&taken| taken).map(<[bool]>::len);
            prop_assert_eq!(list.largest_block(), runs.max().unwrap_or(0) as u64);
        }
    }
}
