//! Kinds of regions: a memory, a call site and a size. What one looks at marks, and what was allocated, is told by them.

use std::collections::HashMap;

use ttmem_ledger::LiveRegion;
use ttmem_wire::Memory;

/// A memory, an interned call site, the bytes on one device.
pub(super) type Kind = (Memory, u32, u64);

/// Kinds, by a number each.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    pub(super) all: Vec<Kind>,
    numbers: HashMap<Kind, usize>,
}

impl Kinds {
    pub(super) fn number(&mut self, kind: Kind) -> usize {
        *self.numbers.entry(kind).or_insert_with(|| {
            self.all.push(kind);
            self.all.len() - 1
        })
    }

    /// How many regions of each kind there are, by number.
    pub(super) fn count(&mut self, live: &[LiveRegion]) -> Vec<u64> {
        let mut counts = vec![0; self.all.len()];
        for region in live {
            let number = self.number((region.memory, region.site, region.size));
            if counts.len() <= number {
                counts.resize(number + 1, 0);
            }
            counts[number] += 1;
        }
        counts
    }
}
