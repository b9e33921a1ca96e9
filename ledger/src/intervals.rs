//! A union of address ranges that only grows, until it is cleared as a whole.

/// Ranges that neither overlap nor touch, in order. Ends are exclusive and wider than an address, so that a range up to the
/// last address has one. There are few: what circular buffers take of a core is mostly one piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intervals {
    ranges: Vec<(u64, u128)>,
    covered: u128,
}

impl Intervals {
    /// Adds `[start, start + length)`.
    pub(crate) fn insert(&mut self, start: u64, length: u64) {
        if length == 0 {
            return;
        }
        let end = u128::from(start) + u128::from(length);
        // Those that it overlaps or touches become one with it.
        let first = self.ranges.partition_point(|&(_, to)| to < u128::from(start));
        let joined = self.ranges[first..].iter().take_while(|&&(from, _)| u128::from(from) <= end).count();
        let joined = &mut self.ranges[first..first + joined];
        let (Some(&(lowest, _)), Some(&(_, highest))) = (joined.first(), joined.last()) else {
            self.ranges.insert(first, (start, end));
            self.covered += u128::from(length);
            return;
        };
        let (start, end) = (start.min(lowest), end.max(highest));
        self.covered +=
            (end - u128::from(start)) - joined.iter().map(|&(from, to)| to - u128::from(from)).sum::<u128>();
        let others = joined.len() - 1;
        joined[0] = (start, end);
        self.ranges.drain(first + 1..=first + others);
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
