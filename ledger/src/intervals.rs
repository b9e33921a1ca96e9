//! A union of address ranges that only grows, until it is cleared as a whole.

use std::collections::BTreeMap;

/// Ranges that neither overlap nor touch, by their start. Ends are exclusive and wider than an address, so that a range up
/// to the last address has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intervals {
    ranges: BTreeMap<u64, u128>,
    covered: u128,
}

impl Intervals {
    /// Adds `[start, start + length)`.
    pub(crate) fn insert(&mut self, start: u64, length: u64) {
        if length == 0 {
            return;
        }
        let mut first = start;
        let mut end = u128::from(start) + u128::from(length);
        while let Some((&from, &to)) = self.ranges.range(..=u64::try_from(end).unwrap_or(u64::MAX)).next_back() {
            if to < u128::from(first) {
                break;
            }
            self.ranges.remove(&from);
            self.covered -= to - u128::from(from);
            first = first.min(from);
            end = end.max(to);
        }
        self.ranges.insert(first, end);
        self.covered += end - u128::from(first);
    }

    /// Bytes that lie in at least one range.
    pub(crate) fn covered(&self) -> u128 {
        self.covered
    }

    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
        self.covered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Intervals;
    use proptest::prelude::*;

    #[test]
    fn overlapping_touching_and_nested_ranges_count_once() {
        let mut union = Intervals::default();
        for (start, length, covered) in
            [(100, 10, 10), (105, 10, 15), (90, 5, 20), (95, 5, 25), (0, 1, 26), (0, 200, 200), (50, 0, 200)]
        {
            union.insert(start, length);
            assert_eq!(union.covered(), covered, "after {start}+{length}");
        }
        union.insert(1, u64::MAX);
        assert_eq!(union.covered(), 1 << 64);
    }

    proptest! {
        #[test]
        fn the_union_is_what_a_bitmap_says(ranges in prop::collection::vec((0_u64..200, 0_u64..40), 0..60)) {
            let mut union = Intervals::default();
            let mut bitmap = [false; 256];
            for (start, length) in ranges {
                union.insert(start, length);
                bitmap[start as usize..(start + length) as usize].fill(true);
                prop_assert_eq!(union.covered(), bitmap.iter().filter(|&&bit| bit).count() as u128);
            }
        }
    }
}
