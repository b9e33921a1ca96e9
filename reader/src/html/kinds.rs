//! Kinds of allocations: a memory, a call site and a size. What changed between marks, and what was allocated, is shown by
//! them.

use foldhash::HashMap;
use ttmem_ledger::LiveRegion;
use ttmem_wire::Memory;

/// A memory, an interned call site, the bytes on one device.
pub(super) type Kind = (Memory, u32, u64);

/// Kinds, by a number each.
#[derive(Clone, Debug, Default)]
pub(super) struct Kinds {
    pub(super) all: Vec<Kind>,
    numbers: HashMap<Kind, usize>,
    /// The last that was asked for: most often the next one too.
    last: Option<(Kind, usize)>,
}

impl Kinds {
    pub(super) fn number(&mut self, kind: Kind) -> usize {
        if let Some((last, number)) = self.last
            && last == kind
        {
            return number;
        }
        let number = *self.numbers.entry(kind).or_insert_with(|| {
            self.all.push(kind);
            self.all.len() - 1
        });
        self.last = Some((kind, number));
        number
    }

    /// How many allocations of each kind there are, by number.
    pub(super) fn count(&mut self, live: impl Iterator<Item = LiveRegion>) -> Vec<u64> {
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
