//! A turn for threads that meet a device for the first time.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::nap::nap;

/// How long a thread waits for its turn: longer than [`crate::patch::settle`] waits, and 100,000 allocations take to be reported. After
/// that it goes on without: it may have interrupted itself, in a signal handler.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a thread has the turn. SYNC: Acquire and Release; what the one entered, the next finds.
#[derive(Default)]
pub(crate) struct FirstSight(AtomicBool);

/// The turn, for as long as it lives; or none, after long waiting.
pub(crate) struct Turn<'a>(Option<&'a AtomicBool>);

impl FirstSight {
    pub(crate) fn take(&self) -> Turn<'_> {
        let since = Instant::now();
        while self.0.swap(true, Ordering::Acquire) {
            if since.elapsed() >= PATIENCE {
                return Turn(None);
            }
            nap(Duration::from_micros(50));
        }
        Turn(Some(&self.0))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(taken) = self.0 {
            taken.store(false, Ordering::Release);
        }
    }
}
