//! For benches alone (feature `switch`): turns tracking off and on again in the middle of a program. Two processes differ by
//! more than tracking costs, whatever they run; within one it can be told.

use std::{
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use crate::{
    fork_guard::{self, GUARD},
    mode,
    tracker::Tracker,
};

/// The tracker while it is off. SYNC: alone; whoever switches has been let through by the fork guard, or is the last that was.
static KEPT: AtomicPtr<Tracker> = AtomicPtr::new(ptr::null_mut());

/// Events are taken from now on, or not, as if TTMEM_DISABLE were set; false before the first event of all. What is freed
/// meanwhile stays live in reports.
#[unsafe(no_mangle)]
pub extern "C" fn ttmem_bench_switch(on: bool) -> bool {
    if let Some(tracker) = fork_guard::tracker() {
        KEPT.store(ptr::from_ref(tracker).cast_mut(), Ordering::Relaxed);
    }
    // SAFETY: null, or a tracker, which lives as long as the process.
    let Some(tracker) = (unsafe { KEPT.load(Ordering::Relaxed).as_ref() }) else { return false };
    mode::switch(on);
    if on {
        GUARD.open(tracker)
    } else {
        GUARD.close()
    }
    true
}
