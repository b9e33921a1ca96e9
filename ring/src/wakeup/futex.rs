//! The futex calls.

use std::{io, sync::atomic::AtomicU32, time::Duration};

/// Sleeps on a word of this process while it holds `value`, at most so long.
pub fn futex_wait(word: &AtomicU32, value: u32, longest: Duration) {
    let timeout = libc::timespec { tv_sec: longest.as_secs() as _, tv_nsec: longest.subsec_nanos() as _ };
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word is mapped as long as it is borrowed; the timeout is valid for the call.
    let result = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, &raw const timeout) };
    let is_denied =
        || matches!(io::Error::last_os_error().raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::ENOSYS));
    if result != 0 && is_denied() {
        // A filter denies the call: looking again at once would take a whole processor.
        let time = libc::timespec { tv_sec: 0, tv_nsec: longest.min(DENIED).as_nanos() as _ };
        // SAFETY: `time` is valid for the call, and no remaining time is asked for.
        unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
    }
}

/// Between looks at the word where the kernel may not wait for it.
const DENIED: Duration = Duration::from_millis(2);

/// Wakes the thread of this process that sleeps on the word.
pub fn futex_wake(word: &AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: a wake reads nothing at the address, which is that of a word.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 1) };
}

/// Wakes all that sleep on the word, of whatever process.
pub fn wake(word: &AtomicU32) {
    // SAFETY: a wake reads nothing at the address, which is that of a word.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}
