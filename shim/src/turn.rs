//! What one thread at a time may do, without a lock of the host's: a word, and who has it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use crate::nap::nap;

/// Who has the turn. SYNC: Acquire and Release; what the one did, the next finds done.
#[derive(Debug, Default)]
pub(crate) struct Turns(AtomicBool);

/// The turn, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a AtomicBool);

impl Turns {
    /// Nobody has it.
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// The turn, if nobody has it.
    #[inline]
    pub(crate) fn try_take(&self) -> Option<Turn<'_>> {
        (!self.0.swap(true, Ordering::Acquire)).then_some(Turn(&self.0))
    }

    /// Spins for the turn, which is had for some hundred ns at a time; `None` after too many tries. A thread that has interrupted itself
    /// in a signal handler would wait for ever.
    pub(crate) fn spin(&self) -> Option<Turn<'_>> {
        const TRIES: u32 = 100_000;
        (0..TRIES).find_map(|_| {
            std::hint::spin_loop();
            self.try_take()
        })
    }

    /// Sleeps until it has the turn; `None` after so long, as in [`Self::spin`].
    pub(crate) fn wait(&self, patience: Duration) -> Option<Turn<'_>> {
        let since = Instant::now();
        loop {
            let turn = self.try_take();
            if turn.is_some() || since.elapsed() >= patience {
                return turn;
            }
            nap(Duration::from_micros(50));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
