//! Refusals that have nothing to do with the banks of an allocator: the event, and the exception's own words.

use ttmem_wire::{Event, flags, split_mark};

use super::{message::first_line, watched::Thrown};
use crate::{
    capture::{Site, guarded, record},
    tracker::Tracker,
};

/// Reports that `request` was refused, with the words of what was thrown. The end of a thread is no refusal.
#[cold]
pub(super) fn report(tracker: &'static Tracker, request: Event, thrown: Thrown<'_>) {
    let said: [&[u8]; 2] = match thrown {
        Thrown::ThreadEnded => return,
        Thrown::OfType(name) => [b"an exception of type ", name],
        Thrown::Says(text) => [first_line(text), b""],
    };
    let event = Event { size_per_bank: None, flags: request.flags | flags::OTHER_REASON, ..request };
    guarded(|| {
        record(tracker, event, Site::Given);
        // The ledger finds the refusal by the thread.
        let mark = [&b"\x1frefused:"[..], said[0], said[1]].concat();
        split_mark(&mark).for_each(|part| record(tracker, part, Site::Given));
    });
}
