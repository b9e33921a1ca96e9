//! When a loop was looked at, which makes a generation of a birth's ticks.

use serde::{Deserialize, Serialize};

/// Moments of a loop of marks: up to as many iterations its generations are exact.
pub(super) const EXACT: usize = 4096;
/// Slices of a loop by time.
pub(super) const SLICES: usize = 128;
/// Bins that generations are kept in, so that each source takes bounded memory.
const BINS: usize = 128;

/// The ticks of looks. Generation `g` was born after moment `g - 1` and not after moment `g`; generation 0 before all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Moments {
    ticks: Vec<u64>,
    /// Looks that a generation lasts, as a power of two.
    looks_shift: u32,
    /// Looks since the last moment that is kept.
    since: u64,
    /// Generations of a bin, as a power of two.
    bin_shift: u32,
}

/// What became of bins when a moment was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Merged {
    /// Two bins are one now.
    pub(super) bins: bool,
    /// Two generations are one now.
    pub(super) generations: bool,
}

impl Moments {
    /// The generation of a birth.
    pub(super) fn generation(&self, born: u64) -> u32 {
        // Much of what lives is young.
        if self.ticks.last().is_none_or(|&last| born > last) {
            return self.ticks.len() as u32;
        }
        self.ticks.partition_point(|&moment| moment < born) as u32
    }

    /// The bin of a generation.
    pub(super) fn bin(&self, generation: u32) -> u32 {
        generation >> self.bin_shift
    }

    /// The bin of what is born now.
    pub(super) fn current_bin(&self) -> u32 {
        self.bin(self.ticks.len() as u32)
    }

    /// Whether the last moment ended a bin, and nothing was born since.
    pub(super) fn is_between_bins(&self) -> bool {
        self.since == 0 && self.ticks.len() & (self.bin_width() as usize - 1) == 0
    }

    /// Adds the moment of a look. `max` is how many may be kept.
    pub(super) fn push(&mut self, ticks: u64, max: usize) -> Merged {
        self.since += 1;
        let mut merged = Merged::default();
        if self.since >> self.looks_shift == 0 {
            return merged;
        }
        self.since = 0;
        // Ticks that run backwards a little are no earlier iteration.
        self.ticks.push(ticks.max(self.ticks.last().copied().unwrap_or_default()));
        if self.ticks.len() >= max {
            // Of a pair, the end of the second ends both.
            let mut at = 0;
            self.ticks.retain(|_| {
                at += 1;
                at % 2 == 0
            });
            self.looks_shift += 1;
            merged.generations = true;
            if self.bin_shift > 0 {
                self.bin_shift -= 1;
            } else {
                merged.bins = true;
            }
        } else if self.current_bin() as usize >= BINS {
            self.bin_shift += 1;
            merged.bins = true;
        }
        merged
    }

    /// From here on each look is a generation: looks come at half the pace now.
    pub(super) fn pace_is_halved(&mut self) {
        self.looks_shift = 0;
        self.since = 0;
    }

    /// How many moments are told apart.
    pub(super) fn count(&self) -> u64 {
        self.ticks.len() as u64
    }

    /// Generations in a bin.
    pub(super) fn bin_width(&self) -> u32 {
        1 << self.bin_shift
    }

    /// Looks in a generation.
    pub(super) fn looks_per_generation(&self) -> u64 {
        1 << self.looks_shift
    }

    /// When a bin ends.
    pub(super) fn end_of(&self, bin: u32) -> u64 {
        let last = ((bin + 1) << self.bin_shift) as usize - 1;
        self.ticks.get(last).or(self.ticks.last()).copied().unwrap_or_default()
    }

    pub(super) fn is_sound(&self) -> bool {
        self.ticks.len() < EXACT
            && self.ticks.is_sorted()
            && self.looks_shift < 30
            && self.bin_shift <= 6
            && (self.current_bin() as usize) < BINS
            && self.since >> self.looks_shift == 0
    }
}
