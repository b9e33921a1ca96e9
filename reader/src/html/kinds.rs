//! Kinds of allocations: a memory, a call site and a size. What changed between marks, and what was allocated, is shown by
//! them.

use ttmem_ledger::LiveRegion;
use ttmem_wire::Memory;

use super::once::Once;

/// A memory, an interned call site, the bytes on one device.
pub(super) type Kind = (Memory, u32, u64);

/// Kinds, by a number each.
pub(super) type Kinds = Once<Kind>;

impl Kinds {
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
