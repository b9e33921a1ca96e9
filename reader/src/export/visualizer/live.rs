//! What is live in a process, buffer by buffer, and the sums of each memory of each device.

use std::collections::BTreeMap;

use ttmem_ledger::{Life, narrow};
use ttmem_wire::{Event, Memory};

/// The device, memory, address and allocator of a buffer.
type Key = (i32, Memory, u64, u32);

/// The live buffers of a process. Program memory is none.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) buffers: BTreeMap<Key, Buffer>,
    /// The most that each memory had at once, and its banks.
    pub(super) memories: BTreeMap<(i32, Memory), Place>,
    /// Tensors so far.
    tensors: u64,
}

/// A live buffer.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) life: Life,
    /// The operation that made it, by its number.
    pub(super) operation: u64,
    /// A number for what an operation made at one address of several devices.
    pub(super) tensor: u64,
    /// Whether its tensor is in the database.
    pub(super) is_written: bool,
}

/// A memory of a device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    bytes: u128,
    per_bank: u128,
    /// Where a bank begins, its bytes, and how many there are, where an allocator reported them.
    pub(super) base: u64,
    pub(super) capacity: u64,
    pub(super) banks: u32,
    /// The end of the highest buffer so far.
    pub(super) end: u64,
}

impl Live {
    pub(super) fn note_capacity(&mut self, event: &Event, devices: &[i32]) {
        let Some(memory) = event.memory else { return };
        for &device in devices {
            let place = self.memories.entry((device, memory)).or_default();
            (place.base, place.capacity, place.banks) = (event.address, event.size, event.extra);
        }
    }

    /// The tensor over a buffer, which is known only after it; further ones are views.
    pub(super) fn note_tensor(&mut self, event: &Event, devices: &[i32]) {
        let Some(memory) = event.memory else { return };
        for &device in devices {
            let of = (device, memory, event.address);
            let there = self.buffers.range_mut((of.0, of.1, of.2, 0)..=(of.0, of.1, of.2, u32::MAX));
            for (_, buffer) in there.filter(|(_, buffer)| buffer.life.region.tensor == 0) {
                buffer.life.region.tensor = event.site;
            }
        }
    }

    /// Buffers that one event made, or that grew by it.
    pub(super) fn add(&mut self, lives: &[Life], operation: u64) {
        let mut numbers: BTreeMap<(Memory, u64), u64> = BTreeMap::new();
        for life in lives {
            let grown = self.remove(life);
            let tensor = grown.as_ref().map_or_else(
                || {
                    *numbers.entry((life.region.memory, life.region.address)).or_insert_with(|| {
                        self.tensors += 1;
                        self.tensors
                    })
                },
                |buffer| buffer.tensor,
            );
            let operation = grown.as_ref().map_or(operation, |buffer| buffer.operation);
            let per_bank = self.per_bank(life);
            let place = self.memories.entry((life.region.device, life.region.memory)).or_default();
            place.bytes += u128::from(life.region.size);
            place.per_bank += u128::from(per_bank);
            place.end = place.end.max(life.region.address.saturating_add(per_bank));
            let is_written = grown.is_some_and(|buffer| buffer.is_written);
            self.buffers.insert(key(life), Buffer { life: *life, operation, tensor, is_written });
        }
    }

    /// Takes a buffer out, if it is there.
    pub(super) fn remove(&mut self, life: &Life) -> Option<Buffer> {
        let buffer = self.buffers.remove(&key(life))?;
        let per_bank = self.per_bank(&buffer.life);
        if let Some(place) = self.memories.get_mut(&(life.region.device, life.region.memory)) {
            place.bytes = place.bytes.saturating_sub(buffer.life.region.size.into());
            place.per_bank = place.per_bank.saturating_sub(per_bank.into());
        }
        Some(buffer)
    }

    /// Bytes in each bank; where they are not known, as if it lay evenly in all banks, or in one where these are not known.
    pub(super) fn per_bank(&self, life: &Life) -> u64 {
        let banks = self.memories.get(&(life.region.device, life.region.memory)).map_or(0, |place| place.banks);
        life.region.size_per_bank.unwrap_or_else(|| life.region.size.div_ceil(u64::from(banks.max(1))))
    }

    /// What is live in each memory: bytes, and bytes in each bank.
    pub(super) fn sums(&self) -> impl Iterator<Item = ((i32, Memory), [u64; 2])> {
        self.memories.iter().map(|(&of, place)| (of, [narrow(place.bytes), narrow(place.per_bank)]))
    }
}

fn key(life: &Life) -> Key {
    (life.region.device, life.region.memory, life.region.address, life.allocator)
}
