//! Sleeps until one of several futex words changes.

use std::{
    io, ptr,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use super::wake;
use crate::{
    layout::{FlusherPage, ReaderPage},
    sys::monotonic_ns,
};

/// Wakes a thread of this process out of a [`WaitSet`].
#[derive(Debug, Default)]
pub struct Wakeup(AtomicU32);

impl Wakeup {
    /// Wakes whoever waits for it.
    pub fn wake(&self) {
        // SYNC (S): Release, pairs with the Acquire load in `count`: who sees it sees what was done before.
        self.0.fetch_add(1, Ordering::Release);
        wake(&self.0);
    }

    /// How often [`Wakeup::wake`] was called.
    pub fn count(&self) -> u32 {
        // SYNC (S): Acquire, pairs with the Release addition in `wake`.
        self.0.load(Ordering::Acquire)
    }
}

/// `struct futex_waitv` of linux/futex.h.
#[repr(C)]
struct WaitFor {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// A word of 32 bits, perhaps of another process.
const WORD_SHARED: u32 = 2;
/// The kernel takes no more words at once.
const MOST: usize = 128;
/// Between two looks, where the kernel can't wait for several words (before Linux 5.16).
const BLIND_NAP: Duration = Duration::from_millis(1);

/// The words that a thread waits for.
pub struct WaitSet<'a> {
    words: Vec<WaitFor>,
    parked: Vec<&'a ReaderPage>,
    /// A ring has records already.
    is_ready: bool,
}

impl<'a> WaitSet<'a> {
    /// Waits for nothing but this wakeup, which had this count when its owner looked last.
    pub fn new(wakeup: &'a Wakeup, count: u32) -> Self {
        let mut set = Self { words: Vec::new(), parked: Vec::new(), is_ready: false };
        set.add(&wakeup.0, count);
        set
    }

    fn add(&mut self, word: &AtomicU32, value: u32) {
        let address = ptr::from_ref(word).addr() as u64;
        self.words.push(WaitFor { value: value.into(), address, flags: WORD_SHARED, reserved: 0 });
    }

    /// Parks the draining reader of these pages, which has read up to `position`, until the set is dropped.
    pub(crate) fn park(&mut self, flusher: &'a FlusherPage, reader: &'a ReaderPage, position: u64) {
        match flusher.park(reader, position) {
            Some(wakeups) => {
                self.add(&flusher.wakeups.0, wakeups);
                self.parked.push(reader);
            }
            None => self.is_ready = true,
        }
    }

    /// Does not wait at all.
    pub(crate) fn set_ready(&mut self) {
        self.is_ready = true;
    }

    /// Sleeps until a word changes, at most this long; not at all where a ring has records already.
    pub fn wait(self, longest: Duration) {
        if self.is_ready {
            return;
        }
        if self.words.len() > MOST {
            return std::thread::sleep(BLIND_NAP);
        }
        let end = u128::from(monotonic_ns()) + longest.as_nanos();
        let deadline = libc::timespec { tv_sec: (end / 1_000_000_000) as _, tv_nsec: (end % 1_000_000_000) as _ };
        let since = Instant::now();
        // SAFETY: the words are described as the kernel wants it and live as long as `self`; so does the deadline.
        let woken = unsafe {
            let (words, count) = (self.words.as_ptr(), self.words.len());
            libc::syscall(libc::SYS_futex_waitv, words, count, 0, &raw const deadline, libc::CLOCK_MONOTONIC)
        };
        let error = io::Error::last_os_error().raw_os_error();
        let is_refused = woken < 0 && matches!(error, Some(libc::ENOSYS | libc::EPERM | libc::EINVAL));
        if is_refused && since.elapsed() < longest {
            std::thread::sleep(BLIND_NAP);
        }
    }
}

impl Drop for WaitSet<'_> {
    fn drop(&mut self) {
        self.parked.iter().for_each(|reader| reader.unpark());
    }
}
