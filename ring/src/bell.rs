//! How a reader that has nothing to do hears of new records, without looking every millisecond.
//!
//! A reader that waits says so in its page and sleeps on a word of the flusher's; the flusher, once it has shown records,
//! looks whether somebody waits, and only then makes a system call. The calls that report events have no part in it.

use crate::{
    FlusherPage, ReaderPage,
    sync::{AtomicU32, Ordering, fence},
};

impl FlusherPage {
    /// After records were shown: the word on which a reader sleeps, if one does; it is to be woken.
    pub(crate) fn bell_to_ring(&self, reader: &ReaderPage) -> Option<&AtomicU32> {
        // SYNC (K): the head was stored before this fence, and the reader's word is loaded after it. The reader does the
        // opposite in `says_it_waits`: one of the two sees the other.
        fence(Ordering::SeqCst);
        if reader.waiting.0.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // SYNC (L): a reader that is about to sleep finds the word changed, and does not.
        self.bell.0.fetch_add(1, Ordering::Release);
        Some(&self.bell.0)
    }

    /// The reader's half: what the bell shows, until which is changed it may sleep; `None` if something has come behind
    /// `position`.
    pub(crate) fn says_it_waits(&self, reader: &ReaderPage, position: u64) -> Option<u32> {
        // SYNC (L): read before the head is looked at.
        let shown = self.bell.0.load(Ordering::Acquire);
        reader.waiting.0.store(1, Ordering::Relaxed);
        // SYNC (K): see `bell_to_ring`.
        fence(Ordering::SeqCst);
        if self.head.0.load(Ordering::Relaxed) == position {
            return Some(shown);
        }
        reader.waits_no_more();
        None
    }
}
