//! Which allocation a free means.

use ttmem_ledger::{Finding, Ledger};
use ttmem_wire::{ANY_DEVICE, Event, EventKind, Memory, Pool, Target, flags};

use super::{after, allocate, free, on, totals};

#[test]
fn a_free_without_memory_or_device_finds_the_youngest_that_fits() {
    let at = |ticks, event| Event { ticks, ..event };
    let mut ledger = after(&[
        at(1, allocate(0, Memory::Dram, 8, 1)),
        at(2, allocate(0, Memory::L1, 8, 2)),
        at(3, allocate(4, Memory::L1, 8, 3)),
        free(0, 8),
    ]);
    assert_eq!(totals(&ledger, 0, Memory::L1).live_buffers, 0);
    ledger.apply(&free(ANY_DEVICE, 8), None);
    assert_eq!(totals(&ledger, 4, Memory::L1).live_buffers, 0);
    ledger.apply(&free(ANY_DEVICE, 8), None);
    assert!(ledger.live().is_empty());
}

#[test]
fn a_free_by_holder_lets_go_of_all_that_it_holds_there() {
    let pool = Pool { allocator: 1, chips: vec![0, 1, 2] };
    let made = Event { target: Target::Pool(0), holder: 7, ..allocate(0, Memory::Dram, 64, 100) };
    let by_holder = |target, holder| Event {
        kind: EventKind::Free,
        target,
        holder,
        flags: flags::ADDRESS_UNKNOWN,
        ..Event::default()
    };
    let mut ledger = Ledger::new();
    ledger.apply(&made, Some(&pool));
    ledger.apply(&by_holder(Target::Device(1), 7), None);
    assert_eq!(ledger.live().iter().map(|region| region.device).collect::<Vec<_>>(), [0, 2]);
    // The index that the first such free made is kept right.
    ledger.apply(&Event { address: 128, holder: 8, ..made }, Some(&pool));
    ledger.apply(&by_holder(Target::Device(ANY_DEVICE), 8), None);
    assert_eq!(ledger.live().len(), 2);
    ledger.apply(&by_holder(Target::Pool(0), 7), Some(&pool));
    assert!(ledger.live().is_empty());
    let before = ledger.anomalies();
    assert_eq!((before.unmatched_frees, before.double_frees), (1, 1), "chip 1 had gone before");
    ledger.apply(&by_holder(Target::Device(ANY_DEVICE), 99), None);
    ledger.apply(&by_holder(Target::Device(0), 0), None);
    let after = ledger.anomalies();
    assert_eq!((after.unmatched_frees, after.double_frees), (3, 1), "a stranger's, and one that names nothing at all");
}

#[test]
fn a_double_free_is_told_from_a_free_of_what_never_was() {
    let ledger = after(&[allocate(0, Memory::L1, 8, 1), free(0, 8), free(0, 8), free(0, 9), free(1, 8)]);
    let anomalies = ledger.anomalies();
    assert_eq!((anomalies.unmatched_frees, anomalies.double_frees), (3, 1));
    assert_eq!(ledger.findings(), [Finding::UnmatchedFrees { frees: 3 }]);
}

#[test]
fn a_stranger_does_not_take_an_anonymous_holders_place_beside_known_ones() {
    let report = |holder| Event { holder, ..allocate(0, Memory::Dram, 8, 1) };
    let let_go = |holder| Event { kind: EventKind::Free, ..report(holder) };
    let mut ledger = after(&[report(0), report(7), let_go(9)]);
    assert_eq!((ledger.live()[0].holders, ledger.anomalies().unmatched_frees), (2, 1));
    ledger.apply(&let_go(7), None);
    ledger.apply(&let_go(9), None);
    assert!(ledger.live().is_empty(), "where nobody is known, it may be the one without an id");
}

#[test]
fn a_free_without_an_id_is_the_anonymous_holders_or_the_oldest_ids() {
    let report = |holder| Event { holder, ..allocate(0, Memory::Dram, 8, 1) };
    let let_go = |holder| Event { kind: EventKind::Free, ..report(holder) };
    let mut ledger = after(&[report(3), report(2), report(9), let_go(0), let_go(2)]);
    assert_eq!((ledger.live()[0].holders, ledger.anomalies().unmatched_frees), (2, 1), "2 had gone");
    ledger.apply(&let_go(9), None);
    ledger.apply(&let_go(3), None);
    assert!(ledger.live().is_empty());
}

/// Views die when Python lets them go: long after the mesh was closed, opened again, and the address given away.
#[test]
fn a_late_free_is_known_by_its_id_even_when_the_address_serves_again() {
    let view = Event { holder: 5, ..allocate(0, Memory::Dram, 8, 1) };
    let reopened = Event { holder: 6, ..view };
    let mut ledger = after(&[view, on(EventKind::DeviceClosed, 0), reopened]);
    ledger.apply(&Event { kind: EventKind::Free, ..view }, None);
    let anomalies = ledger.anomalies();
    assert_eq!((anomalies.late_frees, anomalies.unmatched_frees, ledger.live().len()), (1, 0, 1));
    ledger.apply(&Event { kind: EventKind::Free, ..view }, None);
    assert_eq!(ledger.anomalies().unmatched_frees, 1, "once");
}

#[test]
fn a_free_that_fits_two_allocators_regions_is_the_one_its_holder_holds() {
    let pool = |allocator| Pool { allocator, chips: vec![0] };
    let made = |holder, ticks| Event { target: Target::Pool(0), holder, ticks, ..allocate(0, Memory::Dram, 8, 1) };
    let view = Event { flags: flags::PREALLOCATED, ..made(5, 2) };
    let mut ledger = Ledger::new();
    ledger.apply(&made(1, 1), Some(&pool(1)));
    ledger.apply(&view, Some(&pool(0)));
    ledger.apply(&made(2, 3), Some(&pool(2)));
    ledger.apply(&Event { kind: EventKind::Free, ..view }, Some(&pool(0)));
    assert_eq!(ledger.anomalies().unmatched_frees, 0);
    assert_eq!(ledger.live().iter().map(|region| region.holders).collect::<Vec<_>>(), [1, 1]);
}
