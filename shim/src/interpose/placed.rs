//! What programs place in L1 besides circular buffers: the event of each dataflow buffer and scratchpad, and of their end.
//!
//! tt-metal reports neither to its tracker in a real run. They live as long as the program's circular buffers would: until
//! `deallocate_circular_buffers`, which a program without any runs too.

use ttmem_wire::{CoreRange, Event, EventKind, Memory, flags};

use super::{
    devices, gathering,
    metal::{Metal, Object},
    numbers::{Numbers, Remembered, WITH_DATAFLOW_BUFFERS, WITH_SCRATCHPADS},
    programs,
};
use crate::{
    capture::{self, Site, guarded, record},
    fork_guard,
    tracker::Tracker,
};

/// What a call of a program's places, buffer by buffer.
pub(super) struct Placing {
    tracker: &'static Tracker,
    event: Event,
}

impl Placing {
    /// Begins to report one kind of memory that a program has placed on a device.
    pub(super) fn new(
        tracker: &'static Tracker,
        metal: &Metal,
        memory: Memory,
        program: Object,
        device: Object,
    ) -> Option<Self> {
        let event = Event {
            kind: EventKind::CbAllocate,
            memory: Some(memory),
            flags: flags::NEW_PLACEMENT,
            target: devices::target(tracker, metal, device, std::ptr::null())?,
            holder: programs::number(program),
            site: capture::site(tracker),
            ..Event::default()
        };
        if programs_with(memory).insert(event.holder) == Remembered::NoRoom {
            // Its end would not be seen.
            tracker.producers.count_dropped();
            return None;
        }
        Some(Self { tracker, event })
    }

    /// Reports a buffer on its cores, of which there is one rectangle at least.
    pub(super) fn report(&mut self, address: u64, size: u64, cores: impl Iterator<Item = CoreRange> + Clone) {
        let extra = cores.clone().map(number_of_cores).sum();
        let mut cores = cores;
        let event = Event { address, size, extra, cores: cores.next(), ..self.event };
        guarded(|| gathering::tell_each(self.tracker, event, cores));
        self.event.flags = 0;
    }
}

fn number_of_cores(CoreRange { first_x, first_y, last_x, last_y }: CoreRange) -> u32 {
    let side = |first: u16, last: u16| u32::from(last.saturating_sub(first)) + 1;
    side(first_x, last_x) * side(first_y, last_y)
}

fn programs_with(memory: Memory) -> &'static Numbers {
    if memory == Memory::Scratchpad { &WITH_SCRATCHPADS } else { &WITH_DATAFLOW_BUFFERS }
}

/// The program gives back what it has placed. At process exit its devices are gone, so none is named.
pub(super) fn take_back(program: Object) {
    for memory in [Memory::DataflowBuffer, Memory::Scratchpad] {
        let (programs, holder) = (programs_with(memory), programs::number(program));
        if programs.any()
            && programs.remove(holder)
            && let Some(tracker) = fork_guard::tracker()
        {
            let event = Event { kind: EventKind::CbFreeAll, memory: Some(memory), holder, ..Event::default() };
            guarded(|| record(tracker, event, Site::Given));
        }
    }
}
