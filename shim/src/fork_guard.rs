//! The fork guard: a page before every shared pointer, which a forked child finds wiped.
//!
//! A child must neither use its parent's ring (the mapping is not even there) nor wait for its parent's locks. The page has
//! `MADV_WIPEONFORK`, so in a child, however it was made (fork, clone, `_Fork`), the pointer reads null and the child
//! starts afresh. A vfork child shares the page and counts as its parent.

use std::{
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
};

use crate::tracker::Tracker;

/// The wiped page. All zero is its first state: it lies in the library's .bss, which is anonymous memory, as the kernel wants it.
#[cfg_attr(target_arch = "x86_64", repr(C, align(4096)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C, align(65536)))]
pub(crate) struct ForkGuard {
    tracker: AtomicPtr<Tracker>,
    /// 1 once somebody has seen to it that the tracker is made.
    pub(crate) starting: AtomicU32,
    /// 1 once an event has waited for the tracker as long as it may.
    pub(crate) waited_in_vain: AtomicU32,
    /// Events that came meanwhile and were not taken.
    pub(crate) early: AtomicU64,
    /// Whether the kernel wipes it.
    is_armed: AtomicBool,
}

/// This process's.
pub(crate) static GUARD: ForkGuard = ForkGuard {
    tracker: AtomicPtr::new(ptr::null_mut()),
    starting: AtomicU32::new(0),
    waited_in_vain: AtomicU32::new(0),
    early: AtomicU64::new(0),
    is_armed: AtomicBool::new(false),
};

/// The tracker of this process, if it has one already.
#[inline(always)]
pub(crate) fn tracker() -> Option<&'static Tracker> {
    // SYNC (V): Acquire, pairs with the Release store in `ForkGuard::open`.
    let tracker = GUARD.tracker.load(Ordering::Acquire);
    // SAFETY: a tracker is leaked before it is put here; null is not dereferenced.
    unsafe { tracker.as_ref() }
}

impl ForkGuard {
    /// Has the kernel wipe the page in forked children; false if it refuses. Before anything is put there.
    pub(crate) fn arm(&'static self) -> bool {
        // Relaxed: to arm it twice does no harm.
        self.is_armed.load(Ordering::Relaxed) || {
            let page = ptr::from_ref(self).cast_mut().cast();
            // SAFETY: the whole pages of this static and nothing else; what is in them stays as it is here.
            let is_armed = unsafe { libc::madvise(page, size_of::<Self>(), libc::MADV_WIPEONFORK) } == 0;
            self.is_armed.store(is_armed, Ordering::Relaxed);
            is_armed
        }
    }

    /// Lets events through to this tracker.
    pub(crate) fn open(&self, tracker: &'static Tracker) {
        // SYNC (V): Release, pairs with the Acquire load in `tracker`.
        self.tracker.store(ptr::from_ref(tracker).cast_mut(), Ordering::Release);
    }

    /// Lets none through: the next event starts anew.
    pub(crate) fn close(&self) {
        // SYNC (V): Release, as in `open`; nothing is published.
        self.tracker.store(ptr::null_mut(), Ordering::Release);
        self.waited_in_vain.store(0, Ordering::Relaxed);
        self.starting.store(0, Ordering::Relaxed);
    }
}
