//! What was live when each memory was fullest, over all devices.
//!
//! Copied before an event that may lower the sum, if that is higher than when it was copied last. What is live may be much, and
//! a sum that climbs in small teeth would have it copied at each: so a copy must be paid for by events. Where there were too
//! few, the copy is of a moment a little below the peak, and its bytes say so.

use std::{collections::BTreeMap, rc::Rc};

use ttmem_ledger::{Ledger, LiveRegion};
use ttmem_wire::{Event, EventKind, Memory};

use super::timeline::{Peak, Sum, Timeline};

/// Allocations that may be copied for each event.
const AN_EVENT: u64 = 1;
/// And before there are any: all peaks of a short run are exact.
const AT_FIRST: u64 = 1 << 20;
/// What may be saved up.
const AT_MOST: u64 = 1 << 22;

/// A copy of what was live.
#[derive(Clone, Debug)]
pub(super) struct Copied {
    /// What all devices held of the memory.
    pub(super) bytes: u128,
    pub(super) event: u64,
    pub(super) live: Rc<Vec<LiveRegion>>,
}

/// The latest copy of each memory.
#[derive(Clone, Debug)]
pub(super) struct Peaks {
    /// By the place of the memory in the timeline's sums.
    copies: Vec<Option<Copied>>,
    credit: u64,
}

impl Default for Peaks {
    fn default() -> Self {
        Self { copies: Vec::new(), credit: AT_FIRST }
    }
}

impl Peaks {
    /// The event is about to be applied.
    pub(super) fn before(&mut self, ledger: &Ledger, line: &Timeline, event: &Event) {
        self.credit = (self.credit + AN_EVENT).min(AT_MOST);
        let memory = match event.kind {
            EventKind::Allocate
            | EventKind::Mark
            | EventKind::MarkMore
            | EventKind::OutOfMemory
            | EventKind::Capacity
            | EventKind::Tensor => return,
            EventKind::CbAllocate | EventKind::CbFreeAll | EventKind::Free => event.memory,
            EventKind::DeviceClosed | EventKind::PoolReleased => None,
        };
        let bytes = |at: usize| self.copies.get(at).and_then(Option::as_ref).map_or(0, |copied| copied.bytes);
        let is_higher =
            |(at, sum): (usize, &Sum)| sum.bytes > bytes(at) && memory.is_none_or(|memory| memory == sum.memory);
        if line.sums.iter().enumerate().any(is_higher) && self.credit >= ledger.live_count() {
            self.copy_higher(ledger, line, memory);
        }
    }

    /// No event comes any more.
    pub(super) fn end(&mut self, ledger: &Ledger, line: &Timeline) {
        self.copy_higher(ledger, line, None);
    }

    /// Copies what is live for each memory, or this one, that holds more than at its last copy.
    fn copy_higher(&mut self, ledger: &Ledger, line: &Timeline, memory: Option<Memory>) {
        self.copies.resize(line.sums.len(), None);
        let mut live = None;
        for (copied, sum) in self.copies.iter_mut().zip(&line.sums) {
            if memory.is_some_and(|memory| memory != sum.memory)
                || sum.bytes <= copied.as_ref().map_or(0, |copied| copied.bytes)
            {
                continue;
            }
            let live = live.get_or_insert_with(|| Rc::new(ledger.iter_live().collect::<Vec<_>>()));
            self.credit = self.credit.saturating_sub(live.len() as u64);
            *copied = Some(Copied { bytes: sum.bytes, event: line.events, live: live.clone() });
        }
    }

    /// Memories that were fullest, or nearly so, at the same event: their peaks, and the copy.
    pub(super) fn into_moments(self, line: &Timeline) -> Vec<(Vec<(Memory, Peak)>, Copied)> {
        let mut moments: BTreeMap<u64, (Vec<(Memory, Peak)>, Copied)> = BTreeMap::new();
        for (copied, sum) in self.copies.into_iter().zip(&line.sums) {
            let Some(copied) = copied else { continue };
            moments.entry(copied.event).or_insert_with(|| (Vec::new(), copied)).0.push((sum.memory, sum.peak));
        }
        let mut moments: Vec<_> = moments.into_values().collect();
        moments.iter_mut().for_each(|(memories, _)| memories.sort_by_key(|&(memory, _)| memory));
        moments
    }
}
