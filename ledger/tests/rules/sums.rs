//! The sums of a memory, and what is left of it.

use ttmem_wire::{Event, EventKind, Memory, flags};

use super::{after, allocate, free, on, place, totals};

#[test]
fn what_is_left_of_a_memory_is_what_its_allocations_leave() {
    let bank = Event { memory: Some(Memory::Dram), address: 64, size: 1000, extra: 8, ..on(EventKind::Capacity, 0) };
    let buffer =
        |address, per_bank| Event { size_per_bank: Some(per_bank), ..allocate(0, Memory::Dram, address, per_bank * 8) };
    let mut ledger = after(&[bank, buffer(64, 100), buffer(300, 100), buffer(464, 100)]);
    let list = ledger.free_list(0, Memory::Dram).unwrap();
    assert_eq!(list.blocks, [164..300, 400..464, 564..1064]);
    let left = ledger.headroom(0, Memory::Dram).unwrap();
    assert_eq!((left.capacity(), left.free(), left.largest_free_block_per_bank), (8000, Some(5600), Some(500)));
    // A view of memory that was there before takes none.
    ledger.apply(&Event { flags: flags::PREALLOCATED, holder: 9, ..buffer(700, 8) }, None);
    assert_eq!(ledger.headroom(0, Memory::Dram), Some(left));
    assert_eq!(
        (ledger.headroom(0, Memory::L1), ledger.headroom(1, Memory::Dram)),
        (None, None),
        "nothing was seen of them"
    );
    ledger.apply(&allocate(0, Memory::Dram, 800, 8), None);
    let unknown = ledger.headroom(0, Memory::Dram).unwrap();
    assert_eq!((unknown.capacity(), unknown.free()), (8000, None), "its bytes a bank are not known");
}

#[test]
fn odd_events_are_counted_and_no_total_goes_wrong() {
    let mut ledger = after(&[
        free(0, 77),
        allocate(-7, Memory::Unknown(9), 0, 0),
        allocate(0, Memory::Dram, 1, u64::MAX),
        allocate(0, Memory::Dram, 2, u64::MAX),
        free(5, 1),
    ]);
    assert_eq!(ledger.anomalies().unmatched_frees, 2);
    assert_eq!(totals(&ledger, -7, Memory::Unknown(9)).live_buffers, 1);
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes, u64::MAX, "it cannot be told, and does not wrap");
    ledger.apply(&free(0, 1), None);
    ledger.apply(&free(0, 2), None);
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes, 0);
}

#[test]
fn an_out_of_memory_event_keeps_what_was_live_then() {
    let refused = Event { kind: EventKind::OutOfMemory, ..allocate(0, Memory::Dram, 0, 1 << 40) };
    let ledger = after(&[allocate(0, Memory::Dram, 1, 100), refused, free(0, 1)]);
    assert_eq!(ledger.out_of_memory()[0].live_bytes, 100);
    assert_eq!(ledger.out_of_memory()[0].size, 1 << 40);
    assert_eq!(totals(&ledger, 0, Memory::Dram).allocations, 1);
}

#[test]
fn bytes_a_bank_are_unknown_while_one_region_does_not_tell() {
    let banked = Event { size_per_bank: Some(10), ..allocate(0, Memory::Dram, 1, 100) };
    let mut ledger = after(&[banked]);
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes_per_bank, Some(10));
    ledger.apply(&allocate(0, Memory::Dram, 2, 100), None);
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes_per_bank, None);
    ledger.apply(&free(0, 2), None);
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes_per_bank, Some(10));
    assert_eq!(totals(&ledger, 0, Memory::Dram).peak_bytes_per_bank, None);
}

#[test]
fn an_allocation_without_a_memory_is_attributed_to_nothing() {
    let nowhere = Event { memory: None, ..allocate(0, Memory::Dram, 8, 1) };
    let odd = Event { memory: Some(Memory::CircularBuffer), ..nowhere };
    let ledger = after(&[nowhere, odd, place(0, 8, 8), on(EventKind::DeviceClosed, 0)]);
    assert_eq!(ledger.anomalies().without_memory, 2);
    assert_eq!(ledger.totals().len(), 1);
}
