//! A short sleep in the host's threads, and how long something is waited for by such sleeps.

use std::time::{Duration, Instant};

/// Sleeps once, for less than a second. The sleep of the standard library is not for a host's thread: where seccomp denies nanosleep it
/// panics, and after a signal it goes on with what Linux says remains. That includes the timer's slack, so under signals that keep coming
/// it never ends.
pub(crate) fn nap(time: Duration) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
    // SAFETY: `time` is valid for the call, and no remaining time is asked for.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}

/// The most that one nap counts for.
const MOST: Duration = Duration::from_millis(10);

/// How long something is waited for, counted in naps. What goes beyond [`MOST`] in one of them does not count: a debugger or a signal had
/// stopped the whole process then, or others had the processor, and what is waited for stood still as well.
#[derive(Debug)]
pub(crate) struct Patience(Duration);

impl Patience {
    /// With so much of it.
    pub(crate) const fn new(limit: Duration) -> Self {
        Self(limit)
    }

    /// Sleeps once; false, without any sleep, if there is none left.
    pub(crate) fn nap(&mut self, time: Duration) -> bool {
        let is_left = !self.0.is_zero();
        if is_left {
            let since = Instant::now();
            nap(time);
            self.spend(since.elapsed());
        }
        is_left
    }

    fn spend(&mut self, slept: Duration) {
        self.0 = self.0.saturating_sub(slept.min(MOST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_the_process_was_stopped_does_not_count() {
        let mut patience = Patience::new(Duration::from_millis(25));
        patience.spend(Duration::from_secs(60));
        assert!(patience.nap(Duration::ZERO));
        patience.spend(Duration::from_secs(60));
        patience.spend(Duration::from_millis(4));
        assert!(patience.nap(Duration::from_millis(1)));
        assert!(!patience.nap(Duration::ZERO), "25 ms of naps are over");
    }

    #[test]
    fn without_any_it_does_not_sleep() {
        assert!(!Patience::new(Duration::ZERO).nap(Duration::from_millis(900)));
    }
}
