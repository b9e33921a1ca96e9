//! The fork guard: a page before every shared pointer, which a forked child finds wiped.
//!
//! A child must neither use its parent's ring (the mapping is not even there) nor wait for its parent's locks. The page has
//! `MADV_WIPEONFORK`, so in a child, however it was made (fork, clone, `_Fork`), the pointer reads null and the child
//! starts afresh. A vfork child shares the page and counts as its parent.

use std::{
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering},
};

use crate::tracker::Tracker;

/// The wiped page. All zero is its first state.
#[repr(C)]
pub(crate) struct ForkGuard {
    tracker: AtomicPtr<Tracker>,
    /// 1 once somebody has seen to it that the tracker is made.
    pub(crate) starting: AtomicU32,
    /// 1 once an event has waited for the tracker as long as it may.
    pub(crate) waited_in_vain: AtomicU32,
    /// Events that came meanwhile and were not taken.
    pub(crate) early: AtomicU64,
}

static GUARD: AtomicPtr<ForkGuard> = AtomicPtr::new(ptr::null_mut());

/// The tracker of this process, if it has one already.
#[inline(always)]
pub(crate) fn tracker() -> Option<&'static Tracker> {
    // SYNC (T): Acquire, pairs with the AcqRel exchange in `make`.
    let guard = GUARD.load(Ordering::Acquire);
    if guard.is_null() {
        return None;
    }
    // SAFETY: a guard that was made is never unmapped.
    // SYNC (V): Acquire, pairs with the Release store in `ForkGuard::open`.
    let tracker = unsafe { &*guard }.tracker.load(Ordering::Acquire);
    // SAFETY: a tracker is leaked before it is put here; null is not dereferenced.
    unsafe { tracker.as_ref() }
}

/// The guard of this process, made at its first use. `None` if the kernel refuses the page.
pub(crate) fn make() -> Option<&'static ForkGuard> {
    // SYNC (T): Acquire, as in `tracker`.
    let present = GUARD.load(Ordering::Acquire);
    if !present.is_null() {
        // SAFETY: a guard that was made is never unmapped.
        return Some(unsafe { &*present });
    }
    let page = map_wiped_page()?;
    // SYNC (T): Release, pairs with the Acquire loads: who sees the page sees it mapped.
    match GUARD.compare_exchange(ptr::null_mut(), page, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: the page is mapped, zeroed (a valid ForkGuard), and from here on never unmapped.
        Ok(_) => Some(unsafe { &*page }),
        Err(first) => {
            // SAFETY: nobody else knows our page; the other thread's is never unmapped.
            unsafe {
                libc::munmap(page.cast(), PAGE);
                Some(&*first)
            }
        }
    }
}

const PAGE: usize = 4096;

fn map_wiped_page() -> Option<*mut ForkGuard> {
    // SAFETY: an anonymous mapping at an address of the kernel's choice; checked before use.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let page = libc::mmap(ptr::null_mut(), PAGE, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, PAGE);
            return None;
        }
        Some(page.cast())
    }
}

impl ForkGuard {
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
