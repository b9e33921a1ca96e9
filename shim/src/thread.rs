//! What the library keeps for each thread: a few words without a destructor, usable until the thread's last instruction.

use std::cell::Cell;

use crate::{
    interpose::Gathering,
    pool_sets::{self, NO_POOLS, PoolBits},
};

/// The words of a thread.
pub(crate) struct Thread {
    /// Set while the thread is inside the library: a second entry comes from a signal handler, or from ourselves.
    pub(crate) busy: Cell<bool>,
    /// Whose `bits` they are: a forked child has others.
    process: Cell<u32>,
    /// The kernel's id, where a record has it.
    bits: Cell<u64>,
    /// The buffer that the allocator served last on this thread: its unique id + 1.
    pub(crate) last_allocated: Cell<u64>,
    /// What tt-metal does for a program on this thread.
    pub(crate) program: Program,
}

/// The program whose call we stand in.
pub(crate) struct Program {
    /// Its number, 0 for none.
    pub(crate) id: Cell<u64>,
    /// The pools (of single chips) on which this call has placed circular buffers, as bits.
    pub(crate) placed_on: Cell<PoolBits>,
    /// What this call has reported of circular buffers that may lie on further chips.
    pub(crate) gathering: Gathering,
    /// The call site of all that this call places, once it is known. A program places hundreds of circular buffers, chip by
    /// chip, from one line.
    pub(crate) site: Cell<Option<u32>>,
    /// Its binaries are being loaded: what is allocated now, the program cache will hold.
    pub(crate) loading: Cell<bool>,
    /// Who began to build it.
    pub(crate) building: Cell<Option<Builder>>,
}

/// A function that began to build a program. See `interpose::building`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Builder {
    /// Its first byte.
    pub(crate) start: usize,
    /// Behind its last.
    pub(crate) end: usize,
    /// Where its frame is on the stack.
    pub(crate) place: usize,
}

thread_local! {
    static THREAD: Thread = const {
        Thread {
            busy: Cell::new(false),
            process: Cell::new(0),
            bits: Cell::new(0),
            last_allocated: Cell::new(0),
            program: Program {
                id: Cell::new(0),
                placed_on: Cell::new(NO_POOLS),
                gathering: Gathering::new(),
                site: Cell::new(None),
                loading: Cell::new(false),
                building: Cell::new(None),
            },
        }
    };
}

impl Program {
    /// Notes that a circular buffer is placed in this pool; true for the first of the program's call.
    pub(crate) fn is_first_in(&self, pool: u32) -> bool {
        pool_sets::insert(&self.placed_on, pool) && self.id.get() != 0
    }
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
