//! How many bytes are live, from changes alone.

use std::collections::BTreeMap;

use ttmem_ledger::{Change, Life, narrow};
use ttmem_wire::Memory;

pub(super) fn device_of(change: &Change) -> i32 {
    match change {
        Change::Born(life) | Change::Widened { life, .. } | Change::Gone(life) => life.region.device,
        Change::Footprint { device, .. } => *device,
    }
}

/// What a change does to the bytes of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// Some less, some more.
    Sum { less: u64, more: u64 },
    /// So many now.
    Union(u64),
}

impl Bytes {
    /// Of the memory of a device that the change changes, which it returns too.
    pub(crate) fn of(change: &Change) -> Option<((i32, Memory), Self)> {
        let (life, less, more) = match change {
            Change::Footprint { device, memory, bytes } => return Some(((*device, *memory), Self::Union(*bytes))),
            Change::Born(life) => (life, 0, life.region.size),
            Change::Widened { life, before } => (life, *before, life.region.size),
            Change::Gone(life) => (life, life.region.size, 0),
        };
        let Life { region, .. } = life;
        // The footprint has their bytes.
        let is_counted = !region.memory.is_of_programs();
        is_counted.then_some(((region.device, region.memory), Self::Sum { less, more }))
    }

    /// How many there are then, after so many before.
    pub(crate) fn after(self, before: u128) -> u128 {
        match self {
            Self::Sum { less, more } => before.saturating_sub(less.into()) + u128::from(more),
            Self::Union(bytes) => bytes.into(),
        }
    }
}

/// Live bytes by device and memory, kept from changes alone.
#[derive(Clone, Debug, Default)]
pub struct LiveBytes(BTreeMap<(i32, Memory), u128>);

impl LiveBytes {
    /// Takes a change; returns which sum it changed, and to what.
    pub fn apply(&mut self, change: &Change) -> Option<((i32, Memory), u64)> {
        let (place, change) = Bytes::of(change)?;
        let bytes = self.0.entry(place).or_default();
        *bytes = change.after(*bytes);
        Some((place, narrow(*bytes)))
    }

    /// What is live there.
    pub fn of(&self, device: i32, memory: Memory) -> u64 {
        self.0.get(&(device, memory)).copied().map_or(0, narrow)
    }
}
