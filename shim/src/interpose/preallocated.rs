//! The few buffers that were tracked without the allocator's doing: whose free must be taken from the tracker's word.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const SLOTS: usize = 16_384;
/// Slots that are looked at for one holder.
const PROBES: usize = 64;

/// Holder ids (never 0); an open-addressed set with a short probe.
static HOLDERS: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Whether there is one: the usual answer is no, for the price of a load.
#[inline(always)]
pub(super) fn any() -> bool {
    COUNT.load(Ordering::Relaxed) != 0
}

/// What became of a holder that was to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remembered {
    New,
    Known,
    NoRoom,
}

/// Remembers a holder.
pub(super) fn insert(holder: u64) -> Remembered {
    for slot in probe(holder) {
        match slot.compare_exchange(0, holder, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                COUNT.fetch_add(1, Ordering::Relaxed);
                return Remembered::New;
            }
            Err(known) if known == holder => return Remembered::Known,
            Err(_) => {}
        }
    }
    Remembered::NoRoom
}

/// Forgets a holder; false if it is not known.
pub(super) fn remove(holder: u64) -> bool {
    for slot in probe(holder) {
        if slot.compare_exchange(holder, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            COUNT.fetch_sub(1, Ordering::Relaxed);
            return true;
        }
    }
    false
}

fn probe(holder: u64) -> impl Iterator<Item = &'static AtomicU64> {
    let first = holder.wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize;
    (0..PROBES).filter_map(move |step| HOLDERS.get(first.wrapping_add(step) % SLOTS))
}
