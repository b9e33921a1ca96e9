//! An event and a region as one flat row, for the formats that are tables.

use serde::Serialize;
use ttmem_ledger::{LiveRegion, Span, State};
use ttmem_wire::{Event, EventKind, flags};

use crate::replay::{Step, StepKind};

/// An event. What it does not name is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct EventRow<'a> {
    pub(super) time_ns: u64,
    pub(super) pid: u32,
    pub(super) event: &'static str,
    #[serde(skip_serializing_if = "<[i32]>::is_empty")]
    pub(super) devices: &'a [i32],
    #[serde(skip_serializing_if = "is_zero_u32")]
    pub(super) allocator: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size_per_bank: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) holder: u64,
    #[serde(skip_serializing_if = "is_zero_u32")]
    pub(super) thread: u32,
    #[serde(skip_serializing_if = "is_zero_u32")]
    pub(super) num_cores: u32,
    /// A rectangle of cores of program memory; further ones are rows of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cores: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) free_per_bank: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) largest_free_block: Option<u64>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub(super) flags: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    /// The operation of ttnn.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) op: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) site: &'a [String],
    /// What was made over the buffer.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) tensor: &'a str,
    /// The number of a region of the program.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) region: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_zero_u32(number: &u32) -> bool {
    *number == 0
}

/// What each bit that a reader may care about is called.
const FLAGS: [(u16, &str); 6] = [
    (flags::GLOBALLY_ALLOCATED, "globally_allocated"),
    (flags::PREALLOCATED, "preallocated"),
    (flags::MORE_CORES, "more_cores"),
    (flags::NEW_PLACEMENT, "new_placement"),
    (flags::FOR_PROGRAM, "cached"),
    (flags::SERVICE_CORE, "service_core"),
];

/// The row of a step that is an event or a mark.
pub(super) fn event_row<'a>(step: &'a Step<'a>) -> Option<EventRow<'a>> {
    let row = EventRow { time_ns: step.time_ns, pid: step.process.pid, ..EventRow::default() };
    match step.kind {
        StepKind::Mark(name) => Some(EventRow { event: "mark", name: Some(name), ..row }),
        StepKind::RegionBegin(span) => Some(region_row("region_begin", span, row)),
        StepKind::RegionEnd(span) => Some(region_row("region_end", span, row)),
        StepKind::Event { event, devices, allocator } => {
            let takes_bytes =
                matches!(event.kind, EventKind::Allocate | EventKind::CbAllocate | EventKind::OutOfMemory);
            let has_memory = matches!(event.kind, EventKind::CbFreeAll | EventKind::Capacity);
            let is_of_address =
                matches!(event.kind, EventKind::Allocate | EventKind::CbAllocate | EventKind::Free | EventKind::Tensor);
            let has_address = is_of_address && event.flags & flags::ADDRESS_UNKNOWN == 0;
            Some(EventRow {
                event: kind_name(event),
                devices,
                allocator,
                memory: event
                    .memory
                    .filter(|_| takes_bytes || has_address || has_memory)
                    .map(|memory| memory.to_string()),
                address: has_address.then_some(event.address),
                size: takes_bytes.then_some(event.size),
                size_per_bank: event.size_per_bank.filter(|_| takes_bytes),
                holder: event.holder,
                thread: event.thread,
                num_cores: if event.kind == EventKind::CbAllocate { event.extra } else { 0 },
                cores: event.cores.map(crate::report::cores),
                free_per_bank: event.space.map(|space| space.free),
                largest_free_block: event.space.map(|space| space.largest_block),
                flags: FLAGS.iter().filter(|(bit, _)| event.flags & bit != 0).map(|&(_, name)| name).collect(),
                name: None,
                op: step.process.op(event.site),
                site: step.process.frames(event.site),
                tensor: step.process.tensor(event.site),
                region: 0,
                ..row
            })
        }
        _ => None,
    }
}

fn region_row<'a>(event: &'static str, span: &'a Span, row: EventRow<'a>) -> EventRow<'a> {
    EventRow { event, name: Some(&span.name), thread: span.thread, region: span.number, ..row }
}

fn kind_name(event: &Event) -> &'static str {
    match event.kind {
        EventKind::Allocate => "allocate",
        EventKind::Free => "free",
        EventKind::CbAllocate => "cb_allocate",
        EventKind::CbFreeAll => "cb_free_all",
        EventKind::DeviceClosed => "device_closed",
        EventKind::PoolReleased => "pool_released",
        EventKind::OutOfMemory => "out_of_memory",
        EventKind::Mark | EventKind::MarkMore => "mark",
        EventKind::Capacity => "capacity",
        EventKind::Tensor => "tensor",
    }
}

/// What became of a region, as reports name it; `freed` where it is gone by its own.
pub(super) fn state_name(region: &LiveRegion, is_gone: bool) -> &'static str {
    match region.state {
        State::Live if is_gone => "freed",
        State::Live => "live",
        State::LiveAtExit => "live_at_exit",
        State::Orphaned => "orphaned",
        State::ReleasedAtClose => "released_at_close",
    }
}

/// When a region came to life.
pub(super) fn born_ns(step: &Step<'_>, region: &LiveRegion) -> u64 {
    step.process.time_ns(region.allocated_at_ticks)
}
