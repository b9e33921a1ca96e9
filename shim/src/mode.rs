//! Whether events are taken in this process.

use std::{
    fmt,
    sync::atomic::{AtomicU8, Ordering},
};

use crate::complain;

/// Inherited by forks, unlike the fork guard. SYNC: Relaxed; nothing is published by it.
static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);
/// The environment was not read yet.
const UNKNOWN: u8 = 0;
const ON: u8 = 1;
const OFF: u8 = 2;
/// Tracking was stopped, and may be started again.
const PAUSED: u8 = 3;

/// Whether events are taken; `None` before the environment was read.
pub(crate) fn get() -> Option<bool> {
    match MODE.load(Ordering::Relaxed) {
        UNKNOWN => None,
        mode => Some(mode == ON),
    }
}

/// Sets the mode that the environment asks for; false if that was done before.
pub(crate) fn initialise(is_on: bool) -> bool {
    let mode = if is_on { ON } else { OFF };
    MODE.compare_exchange(UNKNOWN, mode, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// Ends tracking in this process, and prints why.
#[cold]
pub(crate) fn turn_off(reason: fmt::Arguments<'_>) {
    // Printed first: a thread that waits for the ring goes on when it sees the mode, perhaps to the end of the process.
    if MODE.load(Ordering::Relaxed) != OFF {
        complain::once(format_args!("off: {reason}"));
        MODE.store(OFF, Ordering::Relaxed);
    }
}

/// Ends tracking until [`resume`]; false if it is not on.
pub(crate) fn pause() -> bool {
    MODE.compare_exchange(ON, PAUSED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

/// Begins again after [`pause`].
pub(crate) fn resume() {
    let _ = MODE.compare_exchange(PAUSED, ON, Ordering::Relaxed, Ordering::Relaxed);
}

/// See the module `switch`.
#[cfg(feature = "switch")]
pub(crate) fn switch(on: bool) {
    MODE.store(if on { ON } else { OFF }, Ordering::Relaxed);
}
