//! The rules of the last walks, in the order in which they were met.
//!
//! Between two events a program goes through megabytes, so that what is kept by address has to be fetched anew, a line and a
//! page for each frame: most of a walk's time. Walks from one depth of the stack mostly go the same way, though, so the rules
//! that were met there lie one behind another. Each says whose it is, so that a walk which goes elsewhere finds out.

use std::sync::atomic::{AtomicU64, Ordering};

use ttmem_wire::sites::MAX_FRAMES;

use crate::known::first_place;

/// Depths that are told apart. More share them, and then write over one another's.
const TRAILS_LOG2: u32 = 7;
/// Frames that are kept of a walk.
const STEPS: usize = MAX_FRAMES;

/// The last walks, by the stack pointer that they began with. As a static, it takes memory where it is touched.
pub(super) struct Trails([Trail; 1 << TRAILS_LOG2]);

/// One walk.
pub(super) struct Trail([Step; STEPS]);

/// A rule as a word, which is not 0, and the return address that it is for, mixed with that word. Threads whose stacks share a
/// trail may write one's mark beside the other's word: then they do not fit together, and are as good as none.
struct Step {
    mark: AtomicU64,
    word: AtomicU64,
}

/// SYNC: alone; a mark fits one word only.
fn mark(pc: usize, word: u64) -> u64 {
    pc as u64 ^ word.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Trails {
    /// One without any walk.
    pub(super) const fn new() -> Self {
        Self([const { Trail([const { Step { mark: AtomicU64::new(0), word: AtomicU64::new(0) } }; STEPS]) }; _])
    }

    /// Where the walk that begins with this stack pointer is kept.
    #[inline(always)]
    pub(super) fn from(&self, sp: usize) -> &Trail {
        &self.0[first_place(sp as u64, TRAILS_LOG2)]
    }
}

impl Trail {
    /// The word of this address at this step, by `find` where another was met here last.
    #[inline(always)]
    pub(super) fn at(&self, step: usize, pc: usize, find: impl FnOnce() -> u64) -> u64 {
        let Some(Step { mark: kept, word }) = self.0.get(step) else { return find() };
        let last = word.load(Ordering::Relaxed);
        if last != 0 && kept.load(Ordering::Relaxed) == mark(pc, last) {
            return last;
        }
        let found = find();
        word.store(found, Ordering::Relaxed);
        kept.store(mark(pc, found), Ordering::Relaxed);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> u64 {
        unreachable!("it was kept")
    }

    #[test]
    fn a_step_is_kept_until_another_is_met_there() {
        let trails = Trails::new();
        let trail = trails.from(0x7fff_0000);
        assert_eq!(trail.at(0, 0x1000, || 5), 5);
        assert_eq!(trail.at(1, 0x1000, || 6), 6);
        assert_eq!((trail.at(0, 0x1000, never), trail.at(1, 0x1000, never)), (5, 6));
        assert_eq!(trail.at(0, 0x2000, || 7), 7);
        assert_eq!(trail.at(0, 0x1000, || 5), 5);
        assert_eq!(trail.at(STEPS, 0x1000, || 8), 8, "not kept");
        assert_eq!(trail.at(STEPS, 0x1000, || 9), 9);
    }

    #[test]
    fn the_mark_of_one_walk_beside_the_word_of_another_means_nothing() {
        let trails = Trails::new();
        let trail = trails.from(0);
        trail.at(0, 0x1000, || 5);
        trail.0[0].word.store(6, Ordering::Relaxed);
        assert_eq!(trail.at(0, 0x1000, || 7), 7);
    }
}
