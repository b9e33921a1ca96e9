//! Which operations are written. Each has a row for each live buffer, so a long recording would have rows without end.

use std::collections::{BTreeMap, BTreeSet};

use ttmem_wire::Memory;

use super::{live::Live, operations::Operation};

/// What a first replay finds out.
#[derive(Debug, Default)]
pub(super) struct Survey {
    operations: u64,
    rows: u64,
    /// The most bytes, and bytes in each bank, that each memory of each process had, and in which operations.
    peaks: BTreeMap<(usize, i32, Memory), [Peak; 2]>,
    processes: BTreeSet<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    bytes: u64,
    operation: u64,
}

impl Survey {
    pub(super) fn see(&mut self, index: usize, operation: &Operation, live: &Live) {
        self.operations += 1;
        self.rows += rows_of(operation, live);
        self.processes.insert(index);
        for ((device, memory), sums) in live.sums() {
            let peaks = self.peaks.entry((index, device, memory)).or_default();
            for (peak, bytes) in peaks.iter_mut().zip(sums) {
                if bytes > peak.bytes {
                    *peak = Peak { bytes, operation: operation.number };
                }
            }
        }
    }

    /// The places of the processes that have operations.
    pub(super) fn processes(&self) -> Vec<usize> {
        self.processes.iter().copied().collect()
    }

    /// At most so many rows, and those of the peaks.
    pub(super) fn choose(self, most: u64) -> Choice {
        let peaks = self.peaks.iter().flat_map(|(&(index, ..), peaks)| peaks.map(|peak| (index, peak.operation)));
        Choice { most, peaks: peaks.collect(), operations: self.operations, rows: self.rows, ..Choice::default() }
    }
}

/// Keeps operations evenly over all rows.
#[derive(Debug, Default)]
pub(super) struct Choice {
    most: u64,
    peaks: BTreeSet<(usize, u64)>,
    operations: u64,
    rows: u64,
    rows_seen: u64,
    rows_taken: u64,
    taken: u64,
}

impl Choice {
    /// Whether the next one is written.
    pub(super) fn takes(&mut self, index: usize, operation: &Operation, live: &Live) -> bool {
        let rows = rows_of(operation, live);
        self.rows_seen += rows;
        let share = u128::from(self.rows_seen) * u128::from(self.most.min(self.rows));
        let is_due = u128::from(self.rows_taken + rows) * u128::from(self.rows) <= share;
        let takes = is_due || self.peaks.contains(&(index, operation.number));
        if takes {
            self.taken += 1;
            self.rows_taken += rows;
        }
        takes
    }

    /// How many of how many were written, where it was not all.
    pub(super) fn thinned(&self) -> Option<(u64, u64)> {
        (self.taken < self.operations).then_some((self.taken, self.operations))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.operations == 0
    }
}

/// Rows of live buffers, and of program memory that it placed.
fn rows_of(operation: &Operation, live: &Live) -> u64 {
    let placed: usize = operation.placed.iter().map(|placed| placed.devices.len()).sum();
    (live.buffers.len() + placed) as u64
}
