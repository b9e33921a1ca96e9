//! What was live when each memory was fullest, over all devices.
//!
//! Copied before an event that may lower the sum, if that is higher than when it was copied last. What is live may be much, and
//! a sum that climbs in small teeth would have it copied at each: so a copy must be paid for by events. Where there were too
//! few, the copy is of a moment a little below the peak, and its bytes say so.

use std::{collections::BTreeMap, rc::Rc};

use foldhash::HashMap;
use ttmem_ledger::{Change, Ledger, LiveRegion};
use ttmem_wire::{Event, EventKind, Memory};

use super::timeline::{Peak, Timeline};
use crate::replay::Bytes;

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

/// A memory, of all devices together.
#[derive(Clone, Debug)]
struct Held {
    memory: Memory,
    bytes: u128,
    /// The latest copy.
    copied: Option<Copied>,
}

/// What is held of each memory, and its latest copy.
#[derive(Clone, Debug)]
pub(super) struct Peaks {
    held: Vec<Held>,
    /// Bytes of a device's program memory, whose changes name the sum.
    unions: HashMap<(i32, Memory), u64>,
    events: u64,
    credit: u64,
}

impl Default for Peaks {
    fn default() -> Self {
        Self { held: Vec::new(), unions: HashMap::default(), events: 0, credit: AT_FIRST }
    }
}

impl Held {
    /// Whether there is more than at the last copy, of this memory, or of any.
    fn is_higher(&self, memory: Option<Memory>) -> bool {
        memory.is_none_or(|memory| memory == self.memory)
            && self.bytes > self.copied.as_ref().map_or(0, |copied| copied.bytes)
    }
}

impl Peaks {
    /// The event is about to be applied.
    pub(super) fn before(&mut self, ledger: &Ledger, event: &Event) {
        self.events += 1;
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
        if self.held.iter().any(|held| held.is_higher(memory)) && self.credit >= ledger.live_count() {
            self.copy_higher(ledger, memory);
        }
    }

    /// It has changed this.
    pub(super) fn note(&mut self, changes: &[Change]) {
        for ((device, memory), bytes) in changes.iter().filter_map(Bytes::of) {
            let at = self.held.iter().position(|held| held.memory == memory).unwrap_or_else(|| {
                self.held.push(Held { memory, bytes: 0, copied: None });
                self.held.len() - 1
            });
            let of_all = match bytes {
                Bytes::Sum { .. } => bytes,
                Bytes::Union(more) => {
                    Bytes::Sum { less: self.unions.insert((device, memory), more).unwrap_or(0), more }
                }
            };
            let held = &mut self.held[at];
            held.bytes = of_all.after(held.bytes);
        }
    }

    /// No event comes any more.
    pub(super) fn end(&mut self, ledger: &Ledger) {
        self.copy_higher(ledger, None);
    }

    /// Copies what is live for each memory, or this one, that holds more than at its last copy.
    fn copy_higher(&mut self, ledger: &Ledger, memory: Option<Memory>) {
        let mut live = None;
        for held in self.held.iter_mut().filter(|held| held.is_higher(memory)) {
            let live = live.get_or_insert_with(|| Rc::new(ledger.iter_live().collect::<Vec<_>>()));
            self.credit = self.credit.saturating_sub(live.len() as u64);
            held.copied = Some(Copied { bytes: held.bytes, event: self.events, live: live.clone() });
        }
    }

    /// Memories that were fullest, or nearly so, at the same event: their peaks, and the copy.
    pub(super) fn into_moments(self, line: &Timeline) -> Vec<(Vec<(Memory, Peak)>, Copied)> {
        let mut moments: BTreeMap<u64, (Vec<(Memory, Peak)>, Copied)> = BTreeMap::new();
        for Held { memory, copied, .. } in self.held {
            let Some(copied) = copied else { continue };
            let sum = line.sums.iter().find(|sum| sum.memory == memory);
            let peak = sum.map_or_else(Peak::default, |sum| sum.peak);
            moments.entry(copied.event).or_insert_with(|| (Vec::new(), copied)).0.push((memory, peak));
        }
        let mut moments: Vec<_> = moments.into_values().collect();
        moments.iter_mut().for_each(|(memories, _)| memories.sort_by_key(|&(memory, _)| memory));
        moments
    }
}
