//! Each rule of the ledger with the smallest trace that shows it.

mod endings;
mod frees;
mod owners;
mod program_memory;
mod sums;

use ttmem_ledger::{Ledger, Totals};
use ttmem_wire::{Event, EventKind, Memory, Target};

fn allocate(device: i32, memory: Memory, address: u64, size: u64) -> Event {
    Event {
        kind: EventKind::Allocate,
        memory: Some(memory),
        target: Target::Device(device),
        address,
        size,
        ..Event::default()
    }
}

fn free(device: i32, address: u64) -> Event {
    Event { kind: EventKind::Free, target: Target::Device(device), address, ..Event::default() }
}

fn place(device: i32, address: u64, size: u64) -> Event {
    let memory = Some(Memory::CircularBuffer);
    Event { kind: EventKind::CbAllocate, memory, target: Target::Device(device), address, size, ..Event::default() }
}

fn on(kind: EventKind, device: i32) -> Event {
    Event { kind, target: Target::Device(device), ..Event::default() }
}

fn after(events: &[Event]) -> Ledger {
    let mut ledger = Ledger::new();
    events.iter().for_each(|event| ledger.apply(event, None));
    ledger
}

fn totals(ledger: &Ledger, device: i32, memory: Memory) -> Totals {
    ledger
        .totals()
        .into_iter()
        .find(|&(on, of, _)| (on, of) == (device, memory))
        .map(|(_, _, totals)| totals)
        .unwrap_or_default()
}
