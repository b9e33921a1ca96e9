//! What a process that reports events has.

use crossbeam_channel::Sender;
use ttmem_ring::{Clock, FlusherPage, PoolTable, ProducerPage, Queue};

use crate::{flush::Request, full_queue::FullQueue, pool_cache::PoolCache, pool_sets::PoolSets, stacks::Stacks};

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
    pub(crate) stacks: Option<&'static Stacks>,
}
