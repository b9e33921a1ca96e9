//! The host's signals stay the host's.

/// Runs `work` with every signal blocked on this thread: a thread made meanwhile starts with all of them blocked, so that
/// the host's handlers never run on it.
pub(crate) fn with_all_blocked<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: both sets are plain C structs, filled before they are used; pthread_sigmask only fails on a bad `how`.
    let before = unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        before
    };
    let result = work();
    // SAFETY: `before` is what the first call gave.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    result
}

/// Runs `work`, a write; if it raised SIGPIPE on this thread, takes the signal away again before the host can see it.
pub(crate) fn without_sigpipe(work: impl FnOnce()) {
    // SAFETY: sets are filled before use; a null timeout pointer is not used (zero timeout: sigtimedwait never waits).
    unsafe {
        let mut pipe: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        let mut pending: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut pipe);
        libc::sigaddset(&raw mut pipe, libc::SIGPIPE);
        libc::sigpending(&raw mut pending);
        let was_pending = libc::sigismember(&raw const pending, libc::SIGPIPE) == 1;
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before);
        work();
        if !was_pending {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const now);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
    }
}
