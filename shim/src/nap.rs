//! A short sleep in the host's threads.

use std::time::Duration;

/// Sleeps once, for less than a second. The sleep of the standard library is not for a host's thread: where seccomp denies nanosleep it
/// panics, and after a signal it goes on with what Linux says remains. That includes the timer's slack, so under signals that keep coming
/// it never ends.
pub(crate) fn nap(time: Duration) {
    let time = libc::timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
    // SAFETY: `time` is valid for the call, and no remaining time is asked for.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}
