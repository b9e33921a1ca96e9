//! How many bytes are live, from changes alone.

use std::collections::BTreeMap;

use ttmem_ledger::{Change, Life};
use ttmem_wire::Memory;

pub(super) fn device_of(change: &Change) -> i32 {
    match change {
        Change::Born(life) | Change::Widened { life, .. } | Change::Gone(life) => life.region.device,
        Change::Footprint { device, .. } => *device,
    }
}

/// Live bytes by device and memory, kept from changes alone.
#[derive(Clone, Debug, Default)]
pub struct LiveBytes(BTreeMap<(i32, Memory), u64>);

impl LiveBytes {
    /// Takes a change; returns which sum it changed, and to what.
    pub fn apply(&mut self, change: &Change) -> Option<((i32, Memory), u64)> {
        let of = |life: &Life| (life.region.device, life.region.memory);
        let (place, less, more) = match change {
            Change::Footprint { device, memory, bytes } => {
                let place = (*device, *memory);
                self.0.insert(place, *bytes);
                return Some((place, *bytes));
            }
            // The footprint has their bytes.
            Change::Born(life) | Change::Widened { life, .. } | Change::Gone(life)
                if life.region.memory.is_of_programs() =>
            {
                return None;
            }
            Change::Born(life) => (of(life), 0, life.region.size),
            Change::Widened { life, before } => (of(life), *before, life.region.size),
            Change::Gone(life) => (of(life), life.region.size, 0),
        };
        let bytes = self.0.entry(place).or_default();
        *bytes = bytes.saturating_sub(less).saturating_add(more);
        Some((place, *bytes))
    }

    /// What is live there.
    pub fn of(&self, device: i32, memory: Memory) -> u64 {
        self.0.get(&(device, memory)).copied().unwrap_or(0)
    }
}
