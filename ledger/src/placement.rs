//! Where an allocator places a request: the policies that allocators have, on the free blocks of a bank.
//!
//! tt-metal's allocator takes the first fit: the free block that is large enough and nearest to the side it fills from.

use std::{cmp::Reverse, ops::Range};

use ttmem_wire::Memory;

use crate::{Bank, FreeList};

/// Which of the free blocks that are large enough is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The nearest to the side that is filled from: tt-metal's own.
    #[default]
    FirstFit,
    /// The smallest.
    BestFit,
    /// The largest.
    WorstFit,
}

/// From where a bank is filled. A request lies at that side of the block that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// From its lowest address upwards.
    Bottom,
    /// From its highest address downwards.
    Top,
}

impl Side {
    /// The side from which tt-metal fills a memory, unless a buffer asks for the other.
    pub fn of(memory: Memory) -> Self {
        if matches!(memory, Memory::Dram | Memory::Trace) { Self::Bottom } else { Self::Top }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Bottom => Self::Top,
            Self::Top => Self::Bottom,
        }
    }
}

impl FreeList {
    /// An empty bank.
    pub fn empty(bank: Bank) -> Self {
        Self::new(bank, Vec::new())
    }

    /// The address at which a request of so many bytes is placed; `None` if no block is large enough.
    pub fn find(&self, bytes: u64, policy: Policy, side: Side) -> Option<u64> {
        let fitting = self.blocks.iter().filter(|block| block.end - block.start >= bytes);
        let from_side = |block: &Range<u64>| match side {
            Side::Bottom => block.start,
            Side::Top => u64::MAX - block.end,
        };
        let block = fitting.min_by_key(|block| {
            let size = block.end - block.start;
            let rank = match policy {
                Policy::FirstFit => (0, Reverse(0)),
                Policy::BestFit => (size, Reverse(0)),
                Policy::WorstFit => (0, Reverse(size)),
            };
            (rank, from_side(block))
        })?;
        Some(match side {
            Side::Bottom => block.start,
            Side::Top => block.end - bytes,
        })
    }

    /// Takes a range out of what is free.
    pub fn take(&mut self, range: Range<u64>) {
        let first = self.blocks.partition_point(|block| block.end <= range.start);
        let behind = first + self.blocks[first..].partition_point(|block| block.start < range.end);
        let rest = self.blocks[first..behind]
            .iter()
            .flat_map(|block| [block.start..range.start.min(block.end), range.end.max(block.start)..block.end]);
        let rest: Vec<Range<u64>> = rest.filter(|block| !block.is_empty()).collect();
        self.blocks.splice(first..behind, rest);
    }

    /// Gives a range back; what is free beside it becomes one block with it.
    pub fn give_back(&mut self, range: Range<u64>) {
        let range = range.start.max(self.bank.base)..range.end.min(self.bank.end());
        if range.is_empty() {
            return;
        }
        let first = self.blocks.partition_point(|block| block.end < range.start);
        let behind = first + self.blocks[first..].partition_point(|block| block.start <= range.end);
        let touched = &self.blocks[first..behind];
        let start = touched.first().map_or(range.start, |block| block.start.min(range.start));
        let end = touched.last().map_or(range.end, |block| block.end.max(range.end));
        self.blocks.splice(first..behind, std::iter::once(start..end));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BANK: Bank = Bank { base: 100, bytes: 100, banks: 2 };

    #[test]
    fn each_policy_takes_its_block() {
        // Free: 100..120, 130..140, 150..180, 190..200.
        let list = FreeList::new(BANK, vec![120..130, 140..150, 180..190]);
        let find = |bytes, policy, side| list.find(bytes, policy, side);
        assert_eq!(find(10, Policy::FirstFit, Side::Bottom), Some(100));
        assert_eq!(find(10, Policy::FirstFit, Side::Top), Some(190));
        assert_eq!(find(10, Policy::BestFit, Side::Bottom), Some(130));
        assert_eq!(find(8, Policy::BestFit, Side::Top), Some(192));
        assert_eq!(find(10, Policy::WorstFit, Side::Bottom), Some(150));
        assert_eq!(find(10, Policy::WorstFit, Side::Top), Some(170));
        assert_eq!(find(20, Policy::FirstFit, Side::Top), Some(160));
        assert_eq!(find(31, Policy::BestFit, Side::Top), None);
    }

    proptest! {
        #[test]
        fn taking_and_giving_back_is_the_free_list_of_what_is_left(
            steps in prop::collection::vec((any::<bool>(), 0_u64..260, 1_u64..40), 0..60)
        ) {
            let mut list = FreeList::empty(BANK);
            let mut taken: Vec<Range<u64>> = Vec::new();
            for (takes, at, bytes) in steps {
                if takes || taken.is_empty() {
                    let range = at..at + bytes;
                    if taken.iter().any(|one| one.start < range.end && range.start < one.end) {
                        continue;
                    }
                    list.take(range.clone());
                    taken.push(range);
                } else {
                    list.give_back(taken.swap_remove(at as usize % taken.len()));
                }
                prop_assert_eq!(&list, &FreeList::new(BANK, taken.clone()));
            }
        }
    }
}
