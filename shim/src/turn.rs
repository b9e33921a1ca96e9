//! What one thread at a time may do, without a lock of the host's: a word, and who has it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::nap::Patience;

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
        // Not `then_some`: a turn that is made in vain would be given back, and it is another's.
        (!self.0.swap(true, Ordering::Acquire)).then(|| Turn(&self.0))
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
    pub(crate) fn wait(&self, mut patience: Patience) -> Option<Turn<'_>> {
        loop {
            let turn = self.try_take();
            if turn.is_some() || !patience.nap(Duration::from_micros(50)) {
                return turn;
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let turns = Turns::new();
        let first = turns.try_take();
        assert!(first.is_some());
        for _ in 0..2 {
            assert!(
                turns.try_take().is_none() && turns.wait(Patience::new(Duration::ZERO)).is_none(),
                "in vain, it is not given back"
            );
        }
        drop(first);
        assert!(turns.spin().is_some());
    }
}
