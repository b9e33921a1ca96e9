//! Live bytes over time: the least, the most and the last of each column of a picture. However many events come, there are
//! no more columns than this, and each peak keeps its exact height.

use foldhash::HashMap;
use ttmem_ledger::{Change, narrow};
use ttmem_wire::Memory;

use crate::replay::Bytes;

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
    pub(super) ticks: u64,
}

/// What all devices together hold of a memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    pub(super) memory: Memory,
    pub(super) bytes: u128,
    pub(super) peak: Peak,
}

/// One memory of one device.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) device: i32,
    pub(super) memory: Memory,
    /// Columns in which nothing changes are left out.
    pub(super) cells: Vec<Cell>,
    live: u128,
    /// What the last cell ends with.
    drawn: u64,
    /// The place of the memory in [`Timeline::sums`].
    sum: usize,
}

/// One process's picture.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    pub(super) start: Option<u64>,
    pub(super) latest: u64,
    /// The logarithm of the ticks of a column.
    pub(super) width: u32,
    pub(super) series: Vec<Series>,
    /// The places of series by device and memory.
    places: HashMap<(i32, Memory), usize>,
    pub(super) sums: Vec<Sum>,
    /// Series that the event at work changes, some more than once.
    touched: Vec<usize>,
}

impl Timeline {
    /// Takes note of what an event changed.
    pub(super) fn note(&mut self, changes: &[Change], ticks: u64) {
        let column = self.note_time(ticks);
        for change in changes {
            if let Some((of, bytes)) = Bytes::of(change) {
                let at = self.place(of);
                self.series[at].live = bytes.after(self.series[at].live);
                self.touched.push(at);
            }
        }
        let mut risen = false;
        for at in self.touched.drain(..) {
            let series = &mut self.series[at];
            let now = narrow(series.live);
            let before = std::mem::replace(&mut series.drawn, now);
            if now != before {
                add(&mut series.cells, Cell { column, least: now, most: now, last: now });
                let sum = &mut self.sums[series.sum];
                sum.bytes = sum.bytes - u128::from(before) + u128::from(now);
                risen |= sum.bytes > sum.peak.bytes;
            }
        }
        if risen {
            // Only now: a tensor on a mesh changes many devices at once.
            for sum in self.sums.iter_mut().filter(|sum| sum.bytes > sum.peak.bytes) {
                sum.peak = Peak { bytes: sum.bytes, ticks: self.latest };
            }
        }
    }

    /// Takes note of the time of an event; returns its column.
    fn note_time(&mut self, ticks: u64) -> u64 {
        // Threads race: an event may be a little older than the one before it.
        self.latest = self.latest.max(ticks);
        self.start.get_or_insert(ticks);
        let elapsed = self.elapsed();
        while elapsed >> self.width >= COLUMNS {
            self.coarsen();
        }
        elapsed >> self.width
    }

    /// Ticks from the first event to the latest.
    pub(super) fn elapsed(&self) -> u64 {
        self.latest.saturating_sub(self.start.unwrap_or(self.latest))
    }

    /// The place of a series, which begins if it is new.
    fn place(&mut self, (device, memory): (i32, Memory)) -> usize {
        *self.places.entry((device, memory)).or_insert_with(|| {
            let sum = self.sums.iter().position(|sum| sum.memory == memory).unwrap_or_else(|| {
                self.sums.push(Sum { memory, bytes: 0, peak: Peak::default() });
                self.sums.len() - 1
            });
            self.series.push(Series { device, memory, cells: Vec::new(), live: 0, drawn: 0, sum });
            self.series.len() - 1
        })
    }

    fn coarsen(&mut self) {
        self.width += 1;
        for series in &mut self.series {
            let finer = std::mem::take(&mut series.cells);
            for cell in finer {
                add(&mut series.cells, Cell { column: cell.column / 2, ..cell });
            }
        }
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
    use ttmem_ledger::Ledger;
    use ttmem_wire::{Event, EventKind, Target};

    use super::*;

    #[test]
    fn peaks_keep_their_height_however_long_it_takes() {
        let (mut ledger, mut changes) = (Ledger::new(), Vec::new());
        ledger.note_changes();
        let mut line = Timeline::default();
        let mut tell = |event: Event| {
            ledger.apply(&event, None);
            ledger.take_changes(&mut changes);
            line.note(&changes, event.ticks);
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
        let Series { device, memory, cells, .. } = &line.series[0];
        assert!(cells.len() as u64 <= COLUMNS && cells.len() as u64 > COLUMNS / 4, "{}", cells.len());
        assert_eq!(cells.iter().map(|cell| cell.most).max(), Some(1_000_103));
        assert_eq!(cells.last().map(|cell| (cell.least, cell.last)), Some((0, 0)));
        assert!(cells.is_sorted_by(|one, next| one.column < next.column));
        let peak = line.sums[0].peak;
        assert_eq!((peak.bytes, peak.ticks), (1_000_103, 5_000 + 777_000));
        assert_eq!((*device, *memory, line.series.len()), (3, Memory::Dram, 1));
    }
}
