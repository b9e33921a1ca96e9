//! Starting and stopping by hand, in a process that was not started with the library.

use std::{ffi::CStr, time::Duration};

use crate::{
    config,
    flush::{self, Request},
    flusher::wake_flusher,
    fork_guard::{self, GUARD},
    mode, patch, startup,
    tracker::Tracker,
    turn::Turns,
};

/// How long a stop waits for the flusher.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who starts or stops just now.
static CHANGING: Turns = Turns::new();

/// Takes events from now on, into a ring in this folder; returns whether it does.
pub(crate) fn start(folder: Option<&CStr>) -> bool {
    let Some(_turn) = CHANGING.try_take() else { return false };
    mode::resume();
    config::choose_folder(folder);
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
    let Some(_turn) = CHANGING.try_take() else { return };
    if let Some(tracker) = let_go() {
        flush::request(tracker, Request::Stop, PATIENCE, || wake_flusher(tracker.flusher.state()));
    }
}

/// The same, since a reader asked for it; for the flusher itself, which then ends. False if another thread does it.
pub(crate) fn stop_from_flusher() -> bool {
    let Some(_turn) = CHANGING.try_take() else { return false };
    let_go().is_some()
}

/// Sends calls to tt-metal alone again, and events nowhere. Gives the tracker that was.
fn let_go() -> Option<&'static Tracker> {
    // Before the tracker is out of reach: an event that finds none starts no other.
    let is_on = mode::pause();
    let tracker = fork_guard::tracker().filter(|_| is_on);
    if let Some(tracker) = tracker {
        startup::settle_early(tracker);
        GUARD.close();
    }
    // Last, since it goes slot by slot: a free must not be noted whose allocation was not.
    patch::remove();
    tracker
}
