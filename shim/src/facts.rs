//! What the process reports of itself: marks of a reserved syntax.

use ttmem_wire::{Fact, split_mark};

use crate::{
    capture::{Site, record},
    tracker::Tracker,
};

/// Reports a fact.
#[cold]
pub(crate) fn note(tracker: &'static Tracker, fact: &Fact) {
    split_mark(fact.mark().as_bytes()).for_each(|part| record(tracker, part, Site::Given));
}
