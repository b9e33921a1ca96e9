//! Starting and stopping by hand, in a process that was not started with the library.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    flush::{self, Request},
    flusher::wake_flusher,
    fork_guard, mode, patch, startup,
};

/// How long a stop waits for the flusher.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a thread starts or stops just now. SYNC: Acquire and Release; what the one did, the next finds done.
static BUSY: AtomicBool = AtomicBool::new(false);

struct Turn;

impl Turn {
    fn take() -> Option<Self> {
        (!BUSY.swap(true, Ordering::Acquire)).then_some(Self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        BUSY.store(false, Ordering::Release);
    }
}

/// Takes events from now on; returns whether it does.
pub(crate) fn start() -> bool {
    let Some(_turn) = Turn::take() else { return false };
    mode::resume();
    if !startup::is_on() {
        return false;
    }
    if patch::is_active() {
        patch::refresh();
    } else {
        patch::install();
    }
    true
}

/// Takes no events any more, and ends the ring: a later start makes another.
pub(crate) fn stop() {
    let Some(_turn) = Turn::take() else { return };
    patch::remove();
    // Before the tracker is out of reach: an event that finds none starts no other.
    if !mode::pause() {
        return;
    }
    if let (Some(guard), Some(tracker)) = (fork_guard::make(), fork_guard::tracker()) {
        startup::settle_early(tracker);
        guard.close();
        flush::request(tracker, Request::Stop, PATIENCE, || wake_flusher(tracker.flusher.state()));
    }
}
