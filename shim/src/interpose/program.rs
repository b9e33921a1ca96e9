//! What the hooks keep for each thread: a few words without a destructor, usable until the thread's last instruction.

use std::cell::Cell;

use super::{dataflow_buffers::Marks, gathering::Gathering};
use crate::pool_sets::{self, NO_POOLS, PoolBits};

/// What tt-metal does on this thread, and the program whose call we stand in.
pub(super) struct Program {
    /// The buffer that the allocator served last on this thread: its unique id + 1.
    pub(super) last_allocated: Cell<u64>,
    /// Its number, 0 for none.
    pub(super) id: Cell<u64>,
    /// The pools (of single chips) on which this call has placed circular buffers, as bits.
    pub(super) placed_on: Cell<PoolBits>,
    /// What this call has reported of circular buffers that may lie on further chips.
    pub(super) gathering: Gathering,
    /// The call site of all that this call places, once it is known. A program places hundreds of circular buffers, chip by
    /// chip, from one line.
    pub(super) site: Cell<Option<u32>>,
    /// Its binaries are being loaded: what is allocated now, the program cache will hold.
    pub(super) loading: Cell<bool>,
    /// Where this call notes the addresses of dataflow buffers, if it places any.
    pub(super) marks: Cell<*const Marks>,
    /// Who began to build it.
    pub(super) building: Cell<Option<Builder>>,
}

/// A function that began to build a program. See `interpose::building`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Builder {
    /// Its first byte.
    pub(super) start: usize,
    /// Behind its last.
    pub(super) end: usize,
    /// Where its frame is on the stack.
    pub(super) place: usize,
}

thread_local! {
    static PROGRAM: Program = const {
        Program {
            last_allocated: Cell::new(0),
            id: Cell::new(0),
            placed_on: Cell::new(NO_POOLS),
            gathering: Gathering::new(),
            site: Cell::new(None),
            loading: Cell::new(false),
            marks: Cell::new(std::ptr::null()),
            building: Cell::new(None),
        }
    };
}

impl Program {
    /// Notes that a circular buffer is placed in this pool; true for the first of the program's call.
    pub(super) fn is_first_in(&self, pool: u32) -> bool {
        pool_sets::insert(&self.placed_on, pool) && self.id.get() != 0
    }
}

/// Runs `work` with this thread's words.
#[inline(always)]
pub(super) fn with<T>(work: impl FnOnce(&Program) -> T) -> T {
    PROGRAM.with(work)
}
