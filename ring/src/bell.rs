//! How a reader that has nothing to do hears of new records, without looking every millisecond.
//!
//! A reader that waits says so in its page and sleeps on a word of the flusher's; the flusher, once it has shown records,
//! looks whether somebody waits, and only then makes a system call. The calls that report events have no part in it.

use crate::{
    FlusherPage, NAPPING_LONG, ReaderPage,
    sync::{AtomicU32, Ordering, fence},
};

/// How long a reader that has read all of the ring is to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Not at all: there is more by now.
    Now,
    /// Until the bell shows something else than this.
    Rung(u32),
    /// Not long: the flusher naps, and what comes meanwhile is to be looked for in the stage.
    Soon,
}

impl FlusherPage {
    /// After records were shown, or a long nap was announced: the word on which a reader sleeps, if one does; it is to be woken.
    pub(crate) fn bell_to_ring(&self, reader: &ReaderPage) -> Option<&AtomicU32> {
        // SYNC (K): the head, or the word that says how the flusher sleeps, was stored before this fence, and the reader's word is
        // loaded after it. The reader does the opposite in `says_it_waits`: one of the two sees the other.
        fence(Ordering::SeqCst);
        if reader.waiting.0.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // SYNC (L): a reader that is about to sleep finds the word changed, and does not.
        self.bell.0.fetch_add(1, Ordering::Release);
        Some(&self.bell.0)
    }

    /// The reader's half, if nothing has come behind `position`. `looks`: where the flusher naps for long, it does not wait for
    /// the bell.
    pub(crate) fn says_it_waits(&self, reader: &ReaderPage, position: u64, looks: bool) -> Until {
        // SYNC (L): read before the head is looked at.
        let shown = self.bell.0.load(Ordering::Acquire);
        reader.waiting.0.store(1, Ordering::Relaxed);
        // SYNC (K): see `bell_to_ring`.
        fence(Ordering::SeqCst);
        let until = if self.head.0.load(Ordering::Relaxed) != position {
            Until::Now
        } else if looks && self.naps_long() {
            Until::Soon
        } else {
            return Until::Rung(shown);
        };
        reader.waits_no_more();
        until
    }

    /// Whether the flusher naps for long, and leaves it to the reader to look for events in the stage.
    pub(crate) fn naps_long(&self) -> bool {
        self.sleeping.0.load(Ordering::Relaxed) == NAPPING_LONG
    }
}
