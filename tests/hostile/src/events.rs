//! A program's life in events of every kind.

use ttmem_wire::{CoreRange, Event, EventKind, Memory, Pool, Space, Target, flags, split_mark};

/// The pools that the events name.
pub(crate) fn pools() -> [Pool; 3] {
    [(1, vec![0, 1]), (2, vec![1]), (1, vec![0, 1, 2, 3])].map(|(allocator, chips)| Pool { allocator, chips })
}

/// Marks of a loop, in each some allocations of which one stays, a region, circular buffers, a refusal, a close at the end.
pub(crate) fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for step in 0..8 {
        events.extend(split_mark(format!("step {step}").as_bytes()));
        events.extend(split_mark(format!("\u{1f}region:begin:{step}:decode").as_bytes()));
        for index in 0..4 {
            let memory = if index % 2 == 0 { Memory::Dram } else { Memory::L1 };
            let size = 4096 * (1 + index);
            let made = Event {
                memory: Some(memory),
                target: Target::Pool((index % 3) as u32),
                address: 0x1000 * (step * 4 + index + 1),
                size,
                size_per_bank: Some(size / 4),
                holder: step * 4 + index + 1,
                site: 8 + index as u32,
                ..Event::default()
            };
            events.push(made);
            if index > 0 {
                events.push(Event { kind: EventKind::Free, ..made });
            }
        }
        events.push(Event {
            kind: EventKind::CbAllocate,
            memory: Some(Memory::CircularBuffer),
            target: Target::Device(1),
            flags: flags::NEW_PLACEMENT,
            address: 0x2000,
            size: 2048,
            extra: 4,
            holder: step + 1,
            cores: Some(CoreRange { first_x: 0, first_y: 0, last_x: 1, last_y: 1 }),
            ..Event::default()
        });
        events.extend(split_mark(format!("\u{1f}region:end:{step}").as_bytes()));
    }
    events.push(Event {
        kind: EventKind::OutOfMemory,
        memory: Some(Memory::Dram),
        target: Target::Pool(0),
        size: 1 << 40,
        space: Some(Space { free: 1 << 20, largest_block: 1 << 19 }),
        site: 8,
        ..Event::default()
    });
    events.push(Event { kind: EventKind::DeviceClosed, target: Target::Device(0), ..Event::default() });
    events.push(Event { kind: EventKind::PoolReleased, target: Target::Pool(1), ..Event::default() });
    let stamped = events.into_iter().zip(0..);
    stamped.map(|(event, at)| Event { sequence: at, ticks: 1000 + at * 1000, thread: 7, ..event }).collect()
}
