//! Sleeps until a bell is rung: see `bell.rs` for who rings it.

use std::{
    io, ptr,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use crate::{RingReader, clock::monotonic_ns};

/// A bell within one process: rung where a reader is to look up for another reason.
#[derive(Debug, Default)]
pub struct Doorbell(AtomicU32);

impl Doorbell {
    /// Wakes whoever waits for it.
    pub fn ring(&self) {
        // SYNC: Release, pairs with the Acquire load in `rung`: who hears it sees what was done before.
        self.0.fetch_add(1, Ordering::Release);
        wake(&self.0);
    }

    /// How often it was rung.
    pub fn rung(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

/// Wakes the reader that sleeps on this word; it may be of another process.
pub fn wake(word: &AtomicU32) {
    // SAFETY: a wake reads nothing at the address, which is that of a word.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
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

/// The bells that one waits for.
pub struct Bells<'a> {
    rings: Vec<&'a RingReader>,
    words: Vec<WaitFor>,
    /// A ring has something already.
    has_news: bool,
}

impl<'a> Bells<'a> {
    /// Those of nobody but this doorbell, which had been rung so often when its owner looked last.
    pub fn new(doorbell: &'a Doorbell, rung: u32) -> Self {
        let mut bells = Self { rings: Vec::new(), words: Vec::new(), has_news: false };
        bells.add(&doorbell.0, rung);
        bells
    }

    fn add(&mut self, word: &AtomicU32, value: u32) {
        let address = ptr::from_ref(word).addr() as u64;
        self.words.push(WaitFor { value: value.into(), address, flags: WORD_SHARED, reserved: 0 });
    }

    /// Listens to a ring too. Only its draining reader can.
    pub fn listen(&mut self, ring: &'a RingReader) {
        match ring.says_it_waits() {
            (Some(shown), bell) => {
                self.add(bell, shown);
                self.rings.push(ring);
            }
            (None, _) => self.has_news = true,
        }
    }

    /// Sleeps until one is rung, at most this long; not at all where a ring has something already.
    pub fn wait(self, longest: Duration) {
        if self.has_news {
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

impl Drop for Bells<'_> {
    fn drop(&mut self) {
        self.rings.iter().for_each(|ring| ring.waits_no_more());
    }
}
