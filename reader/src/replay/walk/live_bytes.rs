//! How many bytes are live, from changes alone, and when most were.

use std::collections::BTreeMap;

use ttmem_ledger::{Change, Life};
use ttmem_wire::Memory;

use super::{Step, What};

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
            Change::Footprint { device, bytes } => {
                let place = (*device, Memory::CircularBuffer);
                self.0.insert(place, *bytes);
                return Some((place, *bytes));
            }
            // What they take is told by the footprint.
            Change::Born(life) | Change::Widened { life, .. } | Change::Gone(life)
                if life.region.memory == Memory::CircularBuffer =>
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

/// Finds the event after which most bytes were live.
#[derive(Clone, Debug, Default)]
pub(super) struct Fullest {
    sums: LiveBytes,
    all: i128,
    most: i128,
    /// Up to and with the event at work.
    number: u64,
    fullest: u64,
}

impl Fullest {
    pub(super) fn see(&mut self, step: &Step<'_>) {
        let What::Change(change) = step.what else { return };
        if step.number + 1 != self.number {
            self.look();
            self.number = step.number + 1;
        }
        let memory = match change {
            Change::Born(life) | Change::Widened { life, .. } | Change::Gone(life) => life.region.memory,
            Change::Footprint { .. } => Memory::CircularBuffer,
        };
        let before = self.sums.of(device_of(change), memory);
        if let Some((_, after)) = self.sums.apply(change) {
            self.all += i128::from(after) - i128::from(before);
        }
    }

    /// Between two events: while one is at work, what it moves may count twice.
    fn look(&mut self) {
        if self.all > self.most {
            (self.most, self.fullest) = (self.all, self.number);
        }
    }

    pub(super) fn done(&mut self) -> u64 {
        self.look();
        self.fullest
    }
}
