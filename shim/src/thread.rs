//! What the library keeps for each thread: a few words without a destructor, usable until the thread's last instruction.

use std::cell::Cell;

use ttmem_ring::Lane;

use crate::{
    interpose::Gathering,
    lifecycle::Tracker,
    pool_sets::{self, NO_POOLS, PoolBits},
};

/// The words of a thread.
pub(crate) struct Thread {
    /// Set while the thread is inside the library: a second entry comes from a signal handler, or from ourselves.
    pub(crate) busy: Cell<bool>,
    /// Whose the next words are: a forked child has others.
    process: Cell<u32>,
    /// The kernel's id, where a record has it.
    bits: Cell<u64>,
    /// Its own lane of the stage, but while that is being written.
    pub(crate) lane: Cell<Option<&'static Lane<'static>>>,
    /// It has asked for one, and needs not ask again.
    pub(crate) has_asked: Cell<bool>,
    /// Its last event went into the stage that all share: the next stamp must be read after that is done.
    pub(crate) has_shared: Cell<bool>,
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
            lane: Cell::new(None),
            has_asked: Cell::new(false),
            has_shared: Cell::new(false),
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
    /// The kernel's id of this thread.
    pub(crate) fn id(&self) -> u32 {
        (self.bits.get() >> 32) as u32
    }

    /// The thread's bits of a record's word; `None` before its first event in this process (a forked child has had none).
    #[inline(always)]
    pub(crate) fn bits_in(&self, tracker: &Tracker) -> Option<u64> {
        (self.process.get() == tracker.process).then(|| self.bits.get())
    }

    /// The same, at its first event too.
    pub(crate) fn arrived_bits(&self, tracker: &Tracker) -> u64 {
        if self.process.get() != tracker.process {
            // SAFETY: gettid has no preconditions.
            let id = unsafe { libc::gettid() } as u32;
            self.bits.set(u64::from(id) << 32);
            self.lane.set(None);
            self.has_asked.set(false);
            tracker.lanes.arrive();
            self.process.set(tracker.process);
        }
        self.bits.get()
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
