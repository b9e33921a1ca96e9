//! What was live at some moments: when each memory was fullest, and at marks.

use std::collections::BTreeMap;

use ttmem_ledger::LiveRegion;
use ttmem_wire::{Event, EventKind, Memory, Target};

use super::{kinds::Kinds, timeline::Peak};
use crate::Account;

/// Marks whose regions are kept; of more, every second or tenth is.
const MARKS: usize = 200;

/// Numbers that are kept of all marks together, in which case the later ones are left out.
const CHANGES: usize = 400_000;

/// What a mark has other than the mark before: the number of a kind, and how many regions it has now.
#[derive(Debug)]
pub(super) struct AtMark {
    pub(super) mark: usize,
    pub(super) changes: Vec<(usize, u64)>,
}

/// What was live at the moments that were asked for.
#[derive(Debug, Default)]
pub(super) struct Moments {
    peaks: BTreeMap<Memory, Peak>,
    pub(super) at_peaks: Vec<(Vec<Memory>, Peak, Vec<LiveRegion>)>,
    every: usize,
    marks: usize,
    pub(super) at_marks: Vec<AtMark>,
    kept: usize,
    counts: Vec<u64>,
    pub(super) kinds: Kinds,
    /// Allocations of each kind, by number, over all devices.
    pub(super) allocations: Vec<u64>,
    events: u64,
}

impl Moments {
    pub(super) fn new(peaks: BTreeMap<Memory, Peak>, marks: usize) -> Self {
        Self { peaks, every: marks.div_ceil(MARKS).max(1), ..Self::default() }
    }

    pub(super) fn note(&mut self, account: &Account, event: &Event) {
        self.events += 1;
        match event.kind {
            EventKind::Mark | EventKind::MarkMore => self.note_mark(account),
            EventKind::Allocate | EventKind::CbAllocate => self.note_allocation(account, event),
            _ => {}
        }
        let memories: Vec<Memory> =
            self.peaks.iter().filter(|(_, peak)| peak.event == self.events).map(|(&memory, _)| memory).collect();
        if let Some(first) = memories.first() {
            let peak = self.peaks[first];
            self.at_peaks.push((memories, peak, account.ledger().live()));
        }
    }

    fn note_mark(&mut self, account: &Account) {
        let marks = account.marks().len();
        if marks == self.marks {
            return;
        }
        self.marks = marks;
        if !(marks - 1).is_multiple_of(self.every) || self.kept > CHANGES {
            return;
        }
        let counts = self.kinds.count(&account.ledger().live());
        let before = |at: usize| self.counts.get(at).copied().unwrap_or(0);
        let changed = counts.iter().enumerate().filter(|&(at, &count)| before(at) != count);
        let mut changes: Vec<(usize, u64)> = changed.map(|(at, &count)| (at, count)).collect();
        // Kinds are only ever added, but the count ends with the last that is live.
        changes.extend((counts.len()..self.counts.len()).filter(|&at| before(at) != 0).map(|at| (at, 0)));
        self.kept += changes.len();
        self.counts = counts;
        self.at_marks.push(AtMark { mark: marks - 1, changes });
    }

    fn note_allocation(&mut self, account: &Account, event: &Event) {
        let Some(memory) = event.memory.filter(|_| event.flags & ttmem_wire::flags::MORE_CORES == 0) else { return };
        let devices = match event.target {
            Target::Device(_) => 1,
            Target::Pool(index) => account.pool(index).map_or(0, |pool| pool.chips.len() as u64),
        };
        let memory = if event.kind == EventKind::CbAllocate { Memory::CircularBuffer } else { memory };
        let number = self.kinds.number((memory, event.site, event.size));
        if self.allocations.len() <= number {
            self.allocations.resize(number + 1, 0);
        }
        self.allocations[number] += devices;
    }
}
