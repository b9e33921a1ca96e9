//! How the flusher wakes a parked reader.
//!
//! A reader that parks says so in its page and sleeps on a word of the flusher's page. The flusher, once it has published records,
//! looks whether a reader is parked, and only then makes a system call.

use crate::{
    layout::{FlusherPage, ReaderPage},
    sync::{AtomicU32, Ordering, fence},
};

impl FlusherPage {
    /// After records were published: the word on which a reader sleeps, if one is parked. The caller wakes it.
    pub(crate) fn parked_reader(&self, reader: &ReaderPage) -> Option<&AtomicU32> {
        // SYNC (K): SeqCst, pairs with the fence in `park`: the head was stored before this fence, and the reader's word is loaded
        // after it. The reader does the opposite: one of the two sees the other.
        fence(Ordering::SeqCst);
        if reader.parked.0.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // SYNC (L): Release, pairs with the Acquire load in `park`: a reader that is about to sleep finds the word changed.
        self.wakeups.0.fetch_add(1, Ordering::Release);
        Some(&self.wakeups.0)
    }

    /// Parks a reader that has read up to `position`: gives the value of [`FlusherPage::wakeups`] on which it may sleep; `None` if
    /// there is more to read.
    pub(crate) fn park(&self, reader: &ReaderPage, position: u64) -> Option<u32> {
        // SYNC (L): Acquire, pairs with the Release addition in `parked_reader`; loaded before the head.
        let wakeups = self.wakeups.0.load(Ordering::Acquire);
        reader.parked.0.store(1, Ordering::Relaxed);
        // SYNC (K): SeqCst, pairs with the fence in `parked_reader`.
        fence(Ordering::SeqCst);
        if self.head.0.load(Ordering::Relaxed) == position {
            return Some(wakeups);
        }
        reader.unpark();
        None
    }
}

impl ReaderPage {
    /// The reader does not sleep any more.
    pub(crate) fn unpark(&self) {
        self.parked.0.store(0, Ordering::Relaxed);
    }
}
