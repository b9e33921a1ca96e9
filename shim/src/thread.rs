//! What the library keeps for each thread: a few words without a destructor, usable until the thread's last instruction.

use std::cell::Cell;

/// The words of a thread.
pub(crate) struct Thread {
    /// Set while the thread is inside the library: a second entry comes from a signal handler, or from ourselves.
    pub(crate) busy: Cell<bool>,
    /// Whose `bits` they are: a forked child has others.
    process: Cell<u32>,
    /// The kernel's id, where a record has it.
    bits: Cell<u64>,
}

thread_local! {
    static THREAD: Thread = const {
        Thread {
            busy: Cell::new(false),
            process: Cell::new(0),
            bits: Cell::new(0),
        }
    };
}

/// This thread's words. They have no destructor, so they are there until its last instruction.
#[inline(always)]
pub(crate) fn current<'a>() -> &'a Thread {
    let thread = THREAD.with(std::ptr::from_ref);
    // SAFETY: this thread's own words, which have no destructor: they live as long as the thread does. They are no `Sync`,
    // so the reference stays on it.
    unsafe { &*thread }
}

/// Runs `work` with this thread's words.
#[inline(always)]
pub(crate) fn with<T>(work: impl FnOnce(&Thread) -> T) -> T {
    work(current())
}

impl Thread {
    /// The thread's bits of a record's word, in this process.
    #[inline(always)]
    pub(crate) fn bits(&self, process: u32) -> u64 {
        if self.process.get() != process {
            self.learn_bits(process);
        }
        self.bits.get()
    }

    #[cold]
    #[inline(never)]
    fn learn_bits(&self, process: u32) {
        // SAFETY: gettid has no preconditions.
        let id = unsafe { libc::gettid() } as u32;
        self.bits.set(u64::from(id) << 32);
        self.process.set(process);
    }
}

/// Runs `work` and puts `errno` back: the host may look at it right after a call that we stand in.
pub(crate) fn keeping_errno<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: the location is this thread's own errno, always valid.
    let before = unsafe { *libc::__errno_location() };
    let result = work();
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = before };
    result
}
