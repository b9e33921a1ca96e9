//! What a process that reports events has.

use std::{
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

use crossbeam_channel::Sender;
use ttmem_ring::{Clock, FlusherPage, PoolTable, ProducerPage, Queue};

use crate::{
    flush::Request, full_queue::FullQueue, past_allocators::PastAllocators, pool_cache::PoolCache, pool_sets::PoolSets,
    stacks::Stacks, turn::Turns,
};

/// The parts of a tracked process. Never dropped: threads may be inside until the very end.
pub(crate) struct Tracker {
    pub(crate) queue: Queue<'static>,
    pub(crate) full_queue: &'static FullQueue,
    pub(crate) requests: Sender<Request>,
    pub(crate) clock: Clock,
    pub(crate) process: u32,
    pub(crate) producers: &'static ProducerPage,
    pub(crate) flusher: &'static FlusherPage,
    pub(crate) pools: PoolTable<'static>,
    pub(crate) pool_cache: PoolCache,
    pub(crate) pool_sets: PoolSets,
    pub(crate) past_allocators: PastAllocators,
    /// Who sees a device for the first time just now.
    pub(crate) first_sight: Turns,
    /// Whether facts about tt-metal were reported.
    pub(crate) build_is_known: AtomicBool,
    pub(crate) stacks: Option<&'static Stacks>,
    /// Where the flusher is: in a child that was forked, its thread's stack no longer says so.
    pub(crate) _flusher: usize,
    /// The tracker of the process that this one was forked from, if it had one. Nobody uses it, and it is no leak.
    pub(crate) _parents: Option<&'static Tracker>,
}

/// The latest tracker, beside the fork guard: in that page no leak checker (LeakSanitizer, valgrind) looks for it.
static LATEST: AtomicPtr<Tracker> = AtomicPtr::new(ptr::null_mut());

impl Tracker {
    /// The tracker that was kept last, by this process or the one that it was forked from.
    pub(crate) fn latest() -> Option<&'static Self> {
        // SAFETY: `keep` stored it, and no tracker is ever freed.
        unsafe { LATEST.load(Ordering::Acquire).as_ref() }
    }

    /// Keeps it for as long as the process lives.
    pub(crate) fn keep(self) -> &'static Self {
        let kept: &'static mut Self = Box::leak(Box::new(self));
        LATEST.store(kept, Ordering::Release);
        kept
    }
}
