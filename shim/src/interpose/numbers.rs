//! Sets of numbers that any thread may look into, without locks: of buffers and programs whose end needs a look.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SLOTS: usize = 16_384;
/// Slots that are looked at for one number.
const PROBES: usize = 64;

/// Holders of the few buffers that were tracked without the allocator's doing: their free is taken from the tracker's word.
pub(super) static PREALLOCATED: Numbers = Numbers::new();

/// Programs that have placed dataflow buffers, and those that have placed scratchpads.
pub(super) static WITH_DATAFLOW_BUFFERS: Numbers = Numbers::new();
pub(super) static WITH_SCRATCHPADS: Numbers = Numbers::new();

/// An open-addressed set with a short probe. As a static, it takes memory where it is touched.
pub(super) struct Numbers {
    /// None is 0.
    slots: [AtomicU64; SLOTS],
    count: AtomicUsize,
}

/// What became of a number that was to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    New,
    Known,
    NoRoom,
}

impl Numbers {
    const fn new() -> Self {
        Self { slots: [const { AtomicU64::new(0) }; SLOTS], count: AtomicUsize::new(0) }
    }

    /// Whether there is one: the usual answer is no, for the price of a load.
    #[inline(always)]
    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) != 0
    }

    /// Remembers a number that is not 0.
    pub(super) fn insert(&self, number: u64) -> Remembered {
        for slot in self.probe(number) {
            match slot.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.count.fetch_add(1, Ordering::Relaxed);
                    return Remembered::New;
                }
                Err(known) if known == number => return Remembered::Known,
                Err(_) => {}
            }
        }
        Remembered::NoRoom
    }

    /// Forgets a number; false if it is not known.
    pub(super) fn remove(&self, number: u64) -> bool {
        for slot in self.probe(number) {
            // A load first: most slots that are looked at have another number, and an exchange costs ten times as much.
            if slot.load(Ordering::Relaxed) == number
                && slot.compare_exchange(number, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                self.count.fetch_sub(1, Ordering::Relaxed);
                return true;
            }
        }
        false
    }

    fn probe(&self, number: u64) -> impl Iterator<Item = &AtomicU64> {
        let first = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize;
        (0..PROBES).filter_map(move |step| self.slots.get(first.wrapping_add(step) % SLOTS))
    }
}
