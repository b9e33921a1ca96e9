//! Live bytes over time: the least, the most and the last of each column of a picture. However many events come, there are
//! no more columns than this, and each peak keeps its exact height.

use std::collections::BTreeMap;

use ttmem_wire::{Event, EventKind, Memory};

use crate::Account;

/// Columns of a process's picture. Twice what a screen has, so that one can look closer.
const COLUMNS: u64 = 4096;

/// What a column says of a memory. Columns in which nothing changes are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cell {
    pub(super) column: u64,
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) last: u64,
}

/// When all devices together held most of a memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peak {
    pub(super) bytes: u128,
    /// How many events had been applied then.
    pub(super) event: u64,
    pub(super) ticks: u64,
}

/// One process's picture.
#[derive(Debug)]
pub(super) struct Timeline {
    pub(super) start: Option<u64>,
    pub(super) latest: u64,
    /// Ticks of a column.
    pub(super) width: u64,
    pub(super) memories: Vec<(i32, Memory)>,
    pub(super) series: Vec<Vec<Cell>>,
    live: Vec<u64>,
    sums: BTreeMap<Memory, (u128, Peak)>,
    events: u64,
    marks: usize,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            start: None,
            latest: 0,
            width: 1,
            memories: Vec::new(),
            series: Vec::new(),
            live: Vec::new(),
            sums: BTreeMap::new(),
            events: 0,
            marks: 0,
        }
    }
}

impl Timeline {
    pub(super) fn note(&mut self, account: &Account, event: &Event) {
        self.events += 1;
        // Threads race: an event may be a little older than the one before it.
        self.latest = self.latest.max(event.ticks);
        let start = *self.start.get_or_insert(event.ticks);
        while self.latest.saturating_sub(start) / self.width >= COLUMNS {
            self.coarsen();
        }
        if matches!(event.kind, EventKind::Mark | EventKind::MarkMore) {
            self.marks = account.marks().len();
            return;
        }
        let column = self.latest.saturating_sub(start) / self.width;
        for (at, now) in account.ledger().live_bytes().enumerate() {
            if at == self.live.len() {
                self.live.push(0);
                self.series.push(Vec::new());
                self.memories = account.ledger().memories();
            }
            let before = std::mem::replace(&mut self.live[at], now);
            if now != before {
                add(&mut self.series[at], Cell { column, least: now, most: now, last: now });
                let (sum, _) = self.sums.entry(self.memories[at].1).or_default();
                *sum = *sum - u128::from(before) + u128::from(now);
            }
        }
        // Only now: a tensor on a mesh changes many devices at once.
        for (sum, peak) in self.sums.values_mut() {
            if *sum > peak.bytes {
                *peak = Peak { bytes: *sum, event: self.events, ticks: self.latest };
            }
        }
    }

    fn coarsen(&mut self) {
        self.width = self.width.saturating_mul(2);
        for series in &mut self.series {
            let finer = std::mem::take(series);
            for cell in finer {
                add(series, Cell { column: cell.column / 2, ..cell });
            }
        }
    }

    /// When each memory was fullest.
    pub(super) fn peaks(&self) -> BTreeMap<Memory, Peak> {
        self.sums.iter().map(|(&memory, &(_, peak))| (memory, peak)).filter(|(_, peak)| peak.bytes > 0).collect()
    }

    /// How many marks the process passed.
    pub(super) fn marks(&self) -> usize {
        self.marks
    }
}

fn add(series: &mut Vec<Cell>, cell: Cell) {
    match series.last_mut().filter(|last| last.column == cell.column) {
        Some(last) => {
            *last = Cell {
                column: cell.column,
                least: last.least.min(cell.least),
                most: last.most.max(cell.most),
                last: cell.last,
            };
        }
        None => series.push(cell),
    }
}

#[cfg(test)]
mod tests {
    use ttmem_wire::Target;

    use super::*;

    #[test]
    fn peaks_keep_their_height_however_long_it_takes() {
        let mut account = Account::new(false);
        let mut line = Timeline::default();
        let mut tell = |event: Event| {
            account.apply(&event, |_| None);
            line.note(&account, &event);
        };
        let event = |ticks: u64, kind: EventKind, address: u64, size: u64| Event {
            kind,
            ticks,
            memory: Some(Memory::Dram),
            target: Target::Device(3),
            address,
            size,
            ..Event::default()
        };
        let (allocate, free) = (EventKind::Allocate, EventKind::Free);
        tell(event(5_000, allocate, 1, 100));
        for step in 1..100_000_u64 {
            tell(event(5_000 + step * 1000, allocate, 2, if step == 777 { 1_000_003 } else { 10 }));
            tell(event(5_000 + step * 1000 + 1, free, 2, 0));
        }
        // Older than the one before: it happened on another thread.
        tell(event(6_000, free, 1, 0));
        let cells = &line.series[0];
        assert!(cells.len() as u64 <= COLUMNS && cells.len() as u64 > COLUMNS / 4, "{}", cells.len());
        assert_eq!(cells.iter().map(|cell| cell.most).max(), Some(1_000_103));
        assert_eq!(cells.last().map(|cell| (cell.least, cell.last)), Some((0, 0)));
        assert!(cells.is_sorted_by(|one, next| one.column < next.column));
        let peak = line.peaks()[&Memory::Dram];
        assert_eq!((peak.bytes, peak.event, peak.ticks), (1_000_103, 2 + 2 * 776, 5_000 + 777_000));
        assert_eq!(line.memories, [(3, Memory::Dram)]);
    }
}
