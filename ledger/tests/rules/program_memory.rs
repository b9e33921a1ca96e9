//! Circular buffers, dataflow buffers and scratchpads.

use ttmem_ledger::{Finding, Ledger};
use ttmem_wire::{ANY_DEVICE, CoreRange, Event, EventKind, Memory, OnCore, flags};

use super::{after, allocate, on, place, totals};

#[test]
fn programs_overlap_and_their_footprint_is_the_union() {
    let at = [101_152, 105_248, 109_344];
    let mut events: Vec<Event> = at.iter().zip([4096, 4096, 2048]).map(|(&at, size)| place(0, at, size)).collect();
    events.extend(at.iter().map(|&at| place(0, at, 4096)));
    let mut ledger = after(&events);
    let footprint = totals(&ledger, 0, Memory::CircularBuffer);
    assert_eq!((footprint.live_bytes, footprint.live_buffers), (12_288, 6));
    assert_eq!(ledger.findings(), [Finding::NoCircularBufferRelease { device: 0, buffers: 6 }]);
    ledger.apply(&on(EventKind::CbFreeAll, 1), None);
    assert_eq!(totals(&ledger, 0, Memory::CircularBuffer).live_buffers, 6, "another device's");
    ledger.apply(&on(EventKind::CbFreeAll, 0), None);
    let freed = totals(&ledger, 0, Memory::CircularBuffer);
    assert_eq!((freed.live_bytes, freed.live_buffers, freed.frees, freed.peak_bytes), (0, 0, 6, 12_288));
    ledger.apply(&on(EventKind::CbFreeAll, 0), None);
    assert_eq!(ledger.anomalies().unmatched_frees, 0, "freeing none is nothing odd");
    assert!(ledger.findings().is_empty());
}

/// A dataflow buffer or scratchpad of a program, on some columns of the first row.
fn of_program(memory: Memory, program: u64, (address, size): (u64, u64), (first_x, last_x): (u16, u16)) -> Event {
    let cores = Some(CoreRange { first_x, last_x, ..CoreRange::default() });
    Event { memory: Some(memory), holder: program, site: program as u32, cores, ..place(0, address, size) }
}

#[test]
fn kinds_of_program_memory_are_apart_and_each_is_placed_anew_and_freed_by_itself() {
    let buffer = |at| of_program(Memory::DataflowBuffer, 7, (at, 100), (0, 1));
    let scratchpad = of_program(Memory::Scratchpad, 7, (300, 50), (0, 0));
    let mut ledger = after(&[place(0, 0, 1000), buffer(0), buffer(100), scratchpad]);
    let live = |ledger: &Ledger| Memory::OF_PROGRAMS.map(|memory| totals(ledger, 0, memory).live_bytes);
    assert_eq!(live(&ledger), [1000, 200, 50]);
    ledger.apply(&Event { flags: flags::NEW_PLACEMENT, ..buffer(0) }, None);
    assert_eq!(live(&ledger), [1000, 100, 50], "in the place of both");
    // At process exit the device is not known any more.
    let gone = |memory| Event { memory: Some(memory), holder: 7, ..on(EventKind::CbFreeAll, ANY_DEVICE) };
    ledger.apply(&gone(Memory::DataflowBuffer), None);
    assert_eq!(live(&ledger), [1000, 0, 50]);
    ledger.apply(&gone(Memory::Scratchpad), None);
    assert_eq!(live(&ledger), [1000, 0, 0]);
    assert_eq!(ledger.findings(), [Finding::NoCircularBufferRelease { device: 0, buffers: 1 }], "of these alone");
    ledger.apply(&on(EventKind::DeviceClosed, 0), None);
    assert_eq!(live(&ledger), [0, 0, 0]);
}

#[test]
fn a_further_rectangle_of_cores_is_of_the_buffer_that_its_thread_placed_last() {
    let buffer = |size, columns| of_program(Memory::DataflowBuffer, 7, (1000, size), columns);
    let more = |event| Event { flags: flags::MORE_CORES, ..event };
    let mut ledger = after(&[buffer(100, (0, 1)), more(buffer(100, (4, 4)))]);
    let placed = totals(&ledger, 0, Memory::DataflowBuffer);
    assert_eq!((placed.live_bytes, placed.live_buffers), (100, 1));
    let pieces = |ledger: &Ledger| [0, 4, 9].map(|x| ledger.l1_map(0, (x, 0)).len());
    assert_eq!(pieces(&ledger), [1, 1, 0]);
    // Neither another thread's nor one of another size is that buffer.
    for other in [Event { thread: 1, ..more(buffer(100, (9, 9))) }, more(buffer(200, (9, 9)))] {
        ledger.apply(&other, None);
    }
    assert_eq!(pieces(&ledger), [1, 1, 0]);
}

#[test]
fn the_fullest_core_has_the_union_of_all_that_programs_place() {
    let bank = Event { memory: Some(Memory::L1), address: 1000, size: 9000, extra: 4, ..on(EventKind::Capacity, 0) };
    let mut ledger = after(&[bank]);
    let empty = ledger.l1_pressure(0).unwrap();
    assert_eq!((empty.capacity_per_bank, empty.program_bytes, empty.free_bytes), (Some(9000), 0, Some(9000)));
    assert_eq!(ledger.l1_pressure(1), None, "nothing was seen of it");
    for event in [
        of_program(Memory::DataflowBuffer, 1, (1000, 500), (0, 3)),
        of_program(Memory::Scratchpad, 1, (1500, 100), (2, 3)),
        // Another program on the same cores, and one that reaches further, elsewhere.
        of_program(Memory::CircularBuffer, 2, (1000, 550), (0, 3)),
        of_program(Memory::DataflowBuffer, 3, (1900, 100), (0, 0)),
        Event { size_per_bank: Some(400), ..allocate(0, Memory::L1, 8000, 1600) },
        Event { size_per_bank: Some(400), ..allocate(0, Memory::L1, 9000, 1600) },
    ] {
        ledger.apply(&event, None);
    }
    let full = ledger.l1_pressure(0).unwrap();
    // 550 and 100 on core 0, 600 on cores 2 and 3.
    assert_eq!(((full.x, full.y), full.program_bytes, full.site), ((0, 0), 650, 3));
    assert_eq!((full.buffer_bytes, full.free_bytes), (Some(800), Some(8000 - 2000)));
    let map = |core| ledger.l1_map(0, core).iter().map(|piece| (piece.address, piece.end)).collect::<Vec<_>>();
    let buffers = [(8000, 8400), (9000, 9400)];
    assert_eq!(map((0, 0)), [[(1000, 1500), (1000, 1550), (1900, 2000)].as_slice(), &buffers].concat());
    assert_eq!(map((2, 0)), [[(1000, 1500), (1000, 1550), (1500, 1600)].as_slice(), &buffers].concat());
    assert_eq!(map((9, 9)), buffers, "a core without a program");
    ledger.apply(&Event { holder: 3, ..of_program(Memory::DataflowBuffer, 3, (0, 0), (0, 0)) }, None);
    ledger.apply(&Event { kind: EventKind::CbFreeAll, ..of_program(Memory::DataflowBuffer, 3, (0, 0), (0, 0)) }, None);
    let less = ledger.l1_pressure(0).unwrap();
    assert_eq!(((less.x, less.y), less.program_bytes, less.site), ((2, 0), 600, 1));
    assert_eq!(less.free_bytes, Some(8000 - 1600));
    assert_eq!(ledger.bank(0, Memory::L1).map(|bank| (bank.base, bank.banks)), Some((1000, 4)));
}

#[test]
fn a_globally_allocated_circular_buffer_is_listed_and_not_counted() {
    let inside = Event { flags: flags::GLOBALLY_ALLOCATED, ..place(0, 4096, 512) };
    let ledger = after(&[inside]);
    assert_eq!(totals(&ledger, 0, Memory::CircularBuffer).live_bytes, 0);
    assert!(ledger.live()[0].globally_allocated);
}

#[test]
fn releasing_all_circular_buffers_frees_those_of_every_device() {
    let mut ledger = after(&[place(0, 8, 8), place(4, 8, 8), on(EventKind::CbFreeAll, ANY_DEVICE)]);
    assert!(ledger.live().is_empty());
    ledger.apply(&place(5, 8, 8), None);
    assert!(ledger.findings().is_empty(), "releases are reported, if not for this device yet");
}

/// L1 past the allocators, on a core of the first row.
fn past_allocators(x: u16, address: u64, size: u64, flags: u16) -> Event {
    let extra = OnCore::At { x, y: 0 }.code();
    Event { size_per_bank: Some(0), extra, flags, site: 9, ..allocate(0, Memory::L1, address, size) }
}

#[test]
fn l1_past_the_allocators_is_of_its_cores_and_of_no_bank() {
    let bank = Event { memory: Some(Memory::L1), address: 1000, size: 9000, extra: 4, ..on(EventKind::Capacity, 0) };
    let mut ledger = after(&[
        bank,
        of_program(Memory::DataflowBuffer, 1, (1300, 500), (0, 3)),
        Event { size_per_bank: Some(400), ..allocate(0, Memory::L1, 8000, 1600) },
        past_allocators(2, 1000, 300, 0),
        past_allocators(3, 1000, 300, 0),
        past_allocators(15, 9000, 1000, flags::SERVICE_CORE),
    ]);
    let l1 = totals(&ledger, 0, Memory::L1);
    assert_eq!((l1.live_bytes, l1.live_bytes_per_bank), (1600 + 300 + 300 + 1000, Some(400)));
    let full = ledger.l1_pressure(0).unwrap();
    assert_eq!(((full.x, full.y), full.program_bytes, full.persistent_bytes), ((2, 0), 500, 300));
    assert_eq!((full.buffer_bytes, full.free_bytes, full.site), (Some(400), Some(8000 - 1800), 1));
    let map = |core| ledger.l1_map(0, core).iter().map(|piece| (piece.address, piece.end)).collect::<Vec<_>>();
    assert_eq!(map((2, 0)), [(1000, 1300), (1300, 1800), (8000, 8400)]);
    assert_eq!(map((15, 0)), [(8000, 8400), (9000, 10_000)]);
    assert_eq!(ledger.free_list(0, Memory::L1).unwrap().blocks, [1000..8000, 8400..10_000], "as the allocator has it");
    // A clash: it can't be moved out of the way.
    let clash = Event { holder: 1, size: 8100, address: 8000, ..on(EventKind::OutOfMemory, 0) };
    ledger.apply(&Event { memory: Some(Memory::CircularBuffer), ..clash }, None);
    let refusal = &ledger.out_of_memory()[0];
    assert_eq!((refusal.holders.len(), refusal.clash.as_ref().unwrap().in_the_way.allocations), (1, 1));
    assert_eq!(refusal.clash.as_ref().unwrap().lowest.map(|lowest| lowest.address), Some(8000));
    let gained: Vec<u64> = refusal.clash.as_ref().unwrap().reliefs.iter().map(|relief| relief.gained).collect();
    assert_eq!(gained, [2000]);
    ledger.apply(&Event { kind: EventKind::CbFreeAll, ..of_program(Memory::DataflowBuffer, 1, (0, 0), (0, 0)) }, None);
    let alone = ledger.l1_pressure(0).unwrap();
    assert_eq!((alone.program_bytes, alone.persistent_bytes, alone.free_bytes), (0, 300, Some(8000 - 1300)));
    assert_eq!(alone.site, 9);
    for part in [past_allocators(2, 1000, 0, 0), past_allocators(15, 9000, 0, 0)] {
        ledger.apply(&Event { kind: EventKind::Free, ..part }, None);
    }
    assert_eq!(totals(&ledger, 0, Memory::L1).live_bytes, 1600 + 300);
    assert_eq!(ledger.anomalies().unmatched_frees, 0);
}
