//! What a report asks of a process, wherever its events come from.

use ttmem_ring::ClockMap;

use crate::{Account, Ended};

/// What became of a process's events. Once it has ended, reported = drained + lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that the program reported.
    pub reported: u64,
    /// Events that were got out, by this reader and by others.
    pub drained: u64,
    /// Of these, events that other readers took: they are not in the account.
    pub drained_elsewhere: u64,
    /// Of these, events that came folded, out of a snapshot: they are in the account, and were not seen one by one.
    pub restored: u64,
    /// Events that nobody will ever get.
    pub lost: u64,
    /// Allocations that a graph capture only pretended.
    pub pretended: u64,
}

/// One process, as a report sees it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Its process id, for display.
    pub pid: u32,
    /// Its arguments.
    pub command: &'a [String],
    /// When its ring was made, ns since 1970.
    pub realtime_start_ns: u64,
    /// Which ring, for ever.
    pub ring_id: u128,
    /// The version of libttmem.so in the process.
    pub library_version: &'a str,
    /// What became of its events.
    pub counts: Counts,
    /// Whether it is gone and all that it left was read.
    pub is_over: bool,
    /// How it ended; `None` while it runs.
    pub ended: Option<Ended>,
    /// From the ring's ticks to time.
    pub clock: ClockMap,
    /// What its events add up to.
    pub account: &'a Account,
    /// How many events of the process are in a recording that was cut short before the process ended; `None` of any other.
    pub cut_after: Option<u64>,
}

/// Something that a report can be made of.
pub trait Tell {
    /// What it has to say.
    fn told(&self) -> Told<'_>;
}

impl<T: Tell + ?Sized> Tell for Box<T> {
    fn told(&self) -> Told<'_> {
        (**self).told()
    }
}
