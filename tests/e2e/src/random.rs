//! Random moments that can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random {
    /// What it began with: name it when a test fails.
    pub seed: u64,
    state: u64,
}

impl Random {
    /// A generator of `$TTMEM_TEST_SEED`, else of this moment.
    pub fn new() -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
        let seed = std::env::var("TTMEM_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
        Self { seed, state: seed }
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
