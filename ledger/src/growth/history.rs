//! How much of a source was live over the run, in few points.

use serde::{Deserialize, Serialize};

use super::track::FAR;

/// Points of a history, so that each source takes bounded memory.
const POINTS: usize = 32;

/// What was live in a stretch of bins: the least of its looks, since one in the middle of an iteration sees its temporaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Level {
    /// Generations of which something lived.
    pub(super) generations: u64,
    pub(super) allocations: u64,
    pub(super) bytes: u64,
    /// Allocations that were born, and those that died, until the last look.
    pub(super) births: u64,
    pub(super) died: u64,
}

impl Level {
    /// Of one stretch, where `later` is what a later look saw.
    fn and(self, later: Self) -> Self {
        let least = if later.allocations < self.allocations { later } else { self };
        Self { births: later.births, died: later.died, ..least }
    }
}

/// Levels at equal distances.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    levels: Vec<Level>,
    /// Bins of a stretch, as a power of two.
    shift: u32,
}

impl History {
    /// The level at a look.
    pub(super) fn note(&mut self, bin: u32, level: Level) {
        while (bin >> self.shift) as usize >= POINTS {
            self.merge();
            self.shift += 1;
        }
        let at = (bin >> self.shift) as usize;
        if self.levels.len() == at + 1 {
            self.levels[at] = self.levels[at].and(level);
            return;
        }
        // Looks before the source had anything are none of its history, but time passed.
        let last = self.levels.last().copied().unwrap_or_default();
        self.levels.resize(at, last);
        self.levels.push(level);
    }

    /// All births at the last look, which are counted elsewhere.
    pub(super) fn note_births(&mut self, births: u64) {
        if let Some(level) = self.levels.last_mut() {
            level.births = births;
        }
    }

    /// Makes one bin of two.
    pub(super) fn merge_bins(&mut self) {
        if self.shift > 0 {
            self.shift -= 1;
        } else {
            self.merge();
        }
    }

    fn merge(&mut self) {
        self.levels = self.levels.chunks(2).filter_map(|pair| pair.iter().copied().reduce(Level::and)).collect();
    }

    /// Makes one generation of two.
    pub(super) fn merge_generations(&mut self) {
        self.levels.iter_mut().for_each(|level| level.generations = level.generations.div_ceil(2));
    }

    /// The last bin of each stretch that was over before this bin, and what was live then.
    pub(super) fn before(&self, bin: u32) -> impl Iterator<Item = (u32, Level)> {
        let ends = self.levels.iter().enumerate().map(|(at, &level)| (((at as u32 + 1) << self.shift) - 1, level));
        ends.filter(move |&(end, _)| end < bin)
    }

    pub(super) fn is_sound(&self, current: u32) -> bool {
        let are_counts = |level: &Level| {
            [level.generations, level.allocations, level.births, level.died].into_iter().all(|one| one < FAR)
        };
        self.shift <= 7
            && self.levels.len() <= (current >> self.shift) as usize + 1
            && self.levels.iter().all(are_counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_has_few_points_at_equal_distances() {
        let mut history = History::default();
        for bin in 0..100 {
            let bin64 = u64::from(bin);
            history.note(bin, Level { allocations: bin64 + 9, births: bin64, ..Level::default() });
            history.note(bin, Level { allocations: bin64, births: bin64, ..Level::default() });
        }
        let points: Vec<_> = history.before(100).map(|(bin, level)| (bin, level.allocations, level.births)).collect();
        let end = |at: u32| at * 4 + 3;
        let expected: Vec<_> = (0..25).map(|at| (end(at), u64::from(at) * 4, u64::from(end(at)))).collect();
        assert_eq!(points, expected);
        history.merge_bins();
        assert_eq!(history.before(50).nth(1), Some((3, Level { allocations: 4, births: 7, ..Level::default() })));
        assert!(history.is_sound(49) && !history.is_sound(3));
    }
}
