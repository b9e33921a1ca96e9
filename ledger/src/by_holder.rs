//! Regions by the id of their holder.

use std::{collections::BTreeSet, ops::RangeInclusive};

use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use crate::region::Key;

/// Id, device and the rest of a [`Key`], in the order of the question: what does it hold on this device?
type Entry = (u64, i32, Memory, u64, u32);

/// Who holds what, by id. Holders without one are not in it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ByHolder(BTreeSet<Entry>);

fn entry(id: u64, key: Key) -> Entry {
    (id, key.device, key.memory, key.address, key.allocator)
}

impl ByHolder {
    pub(crate) fn insert(&mut self, id: u64, key: Key) {
        if id != 0 {
            self.0.insert(entry(id, key));
        }
    }

    pub(crate) fn remove(&mut self, id: u64, key: Key) {
        self.0.remove(&entry(id, key));
    }

    /// All that the holder holds on these devices, in order.
    pub(crate) fn held(&self, id: u64, devices: &RangeInclusive<i32>) -> impl Iterator<Item = Key> {
        let first = (id, *devices.start(), Memory::Dram, 0, 0);
        let last = (id, *devices.end(), Memory::Unknown(u8::MAX), u64::MAX, u32::MAX);
        let held = self.0.range(first..=last);
        held.map(|&(_, device, memory, address, allocator)| Key { address, device, memory, allocator })
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
