//! Pools: the memory of one allocator, over the chips that it hands out in lockstep.

use crate::RECORD_WORDS;

/// Entries of the pool table in a ring file.
pub const MAX_POOLS: usize = 256;

/// Chip ids that a pool can hold: 0 to 319.
pub const CHIPS_PER_POOL: usize = 320;

const CHIP_WORDS: usize = CHIPS_PER_POOL / 64;

/// One allocator's memory over a set of chips. A tensor on a mesh is one buffer of such a pool, at the same address on
/// every chip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Pool {
    /// Which allocator object of the process, from 1; pools that share it are released together.
    pub allocator: u32,
    /// Chip ids, ascending.
    pub chips: Vec<i32>,
}

impl Pool {
    /// The entry as it lies in the table: a state word (kept by the ring crate), the allocator, chips as bits.
    /// `None` if a chip id does not fit.
    pub fn encode(&self) -> Option<[u64; RECORD_WORDS]> {
        let mut words = [0; RECORD_WORDS];
        words[1] = u64::from(self.allocator);
        for &chip in &self.chips {
            let chip = usize::try_from(chip).ok().filter(|&chip| chip < CHIPS_PER_POOL)?;
            words[2 + chip / 64] |= 1 << (chip % 64);
        }
        Some(words)
    }

    /// Reads an entry of the table. Any words are safe to pass.
    pub fn decode(words: &[u64; RECORD_WORDS]) -> Self {
        let mut chips = Vec::new();
        for (index, word) in words[2..2 + CHIP_WORDS].iter().enumerate() {
            chips.extend((0..64).filter(|bit| word >> bit & 1 == 1).map(|bit| (index * 64 + bit) as i32));
        }
        Self { allocator: words[1] as u32, chips }
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn pools_come_back_as_they_were() {
        for chips in [vec![], vec![0], (0..32).collect(), vec![0, 63, 64, 127, 319]] {
            let pool = Pool { allocator: 5, chips };
            assert_eq!(Pool::decode(&pool.encode().unwrap()), pool);
        }
    }

    #[test]
    fn a_chip_that_does_not_fit_is_refused() {
        assert_eq!(Pool { chips: vec![320], ..Pool::default() }.encode(), None);
        assert_eq!(Pool { chips: vec![-1], ..Pool::default() }.encode(), None);
    }
}
