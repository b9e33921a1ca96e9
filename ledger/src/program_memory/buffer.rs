//! One circular buffer, dataflow buffer or scratchpad.

use serde::{Deserialize, Serialize};
use ttmem_wire::{CoreRange, Event, EventKind, Memory, flags};

use crate::{LiveRegion, State, footprint::Placement};

/// A placed circular buffer, dataflow buffer or scratchpad.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProgramBuffer {
    address: u64,
    size: u64,
    ticks: u64,
    thread: u32,
    site: u32,
    num_cores: u32,
    globally_allocated: bool,
    cores: Option<CoreRange>,
    /// Further rectangles of its cores; most have one.
    more_cores: Vec<CoreRange>,
}

impl ProgramBuffer {
    pub(super) fn new(event: &Event) -> Self {
        Self {
            address: event.address,
            size: event.size,
            ticks: event.ticks,
            thread: event.thread,
            site: event.site,
            num_cores: event.extra,
            globally_allocated: event.flags & flags::GLOBALLY_ALLOCATED != 0,
            cores: event.cores,
            more_cores: Vec::new(),
        }
    }

    /// A further rectangle of its cores, where the event means it: the same thread reports it. Returns where it takes bytes there.
    pub(super) fn extend(&mut self, event: &Event) -> Option<Placement> {
        let is_meant = (self.thread, self.address, self.size) == (event.thread, event.address, event.size);
        let cores = event.cores.filter(|_| is_meant)?;
        self.more_cores.push(cores);
        let placement = Placement { address: self.address, size: self.size, cores: Some(cores) };
        (!self.globally_allocated).then_some(placement)
    }

    /// Events that place it, but for memory, target and program: one for each rectangle of cores.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        let first = Event {
            kind: EventKind::CbAllocate,
            thread: self.thread,
            flags: if self.globally_allocated { flags::GLOBALLY_ALLOCATED } else { 0 },
            extra: self.num_cores,
            address: self.address,
            size: self.size,
            site: self.site,
            cores: self.cores,
            ..Event::default()
        };
        let more = self.more_cores.iter().map(move |&cores| Event {
            flags: first.flags | flags::MORE_CORES,
            cores: Some(cores),
            ..first
        });
        std::iter::once(first).chain(more)
    }

    pub(crate) fn site(&self) -> u32 {
        self.site
    }

    /// Where it takes bytes of its own.
    pub(crate) fn placements(&self) -> impl Iterator<Item = Placement> {
        let cores = std::iter::once(self.cores).chain(self.more_cores.iter().copied().map(Some));
        let takes_bytes = !self.globally_allocated;
        cores.filter(move |_| takes_bytes).map(|cores| Placement { address: self.address, size: self.size, cores })
    }

    pub(crate) fn shown(&self, device: i32, memory: Memory, state: State) -> LiveRegion {
        LiveRegion {
            device,
            memory,
            address: self.address,
            size: self.size,
            // It lies on each of its cores, and a core is a bank of L1.
            size_per_bank: Some(self.size),
            core: None,
            holders: 1,
            reports: 1,
            state,
            allocated_at_ticks: self.ticks,
            thread: self.thread,
            site: self.site,
            tensor: 0,
            num_cores: self.num_cores,
            globally_allocated: self.globally_allocated,
            preallocated: false,
            cached: false,
        }
    }
}
