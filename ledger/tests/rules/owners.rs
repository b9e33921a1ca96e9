//! Owners of an allocation, and the chips and cores that it lies on.

use ttmem_ledger::{Finding, Ledger, State};
use ttmem_wire::{Event, EventKind, Memory, OnCore, Pool, Target, flags};

use super::{after, allocate, free, place, totals};

#[test]
fn the_first_tensor_over_a_buffer_is_its_own_and_those_that_follow_are_views() {
    let made = |address, holder| Event { holder, ..allocate(0, Memory::L1, address, 64) };
    let tensor = |address, holder, site| Event {
        kind: EventKind::Tensor,
        site,
        ..Event { holder, ..allocate(0, Memory::L1, address, 0) }
    };
    let mut ledger = after(&[made(0, 1), made(64, 2), tensor(0, 1, 70), tensor(0, 1, 71), tensor(64, 9, 72)]);
    let tensors = |ledger: &Ledger| ledger.live().iter().map(|one| one.tensor).collect::<Vec<_>>();
    assert_eq!(tensors(&ledger), [70, 0], "the second is somebody else's");
    assert_eq!(totals(&ledger, 0, Memory::L1).allocations, 2, "a tensor is no allocation");
    let freed = Event { holder: 1, ..free(0, 0) };
    [freed, made(0, 3)].iter().for_each(|event| ledger.apply(event, None));
    assert_eq!(tensors(&ledger), [0, 0], "a new buffer there is another's");
    // On a mesh it is one on each chip, whoever's allocator made the buffer.
    let pool = |allocator| Pool { allocator, chips: vec![4, 5] };
    let on_pool = |event| Event { target: Target::Pool(0), ..event };
    ledger.apply(&on_pool(made(128, 7)), Some(&pool(3)));
    ledger.apply(&on_pool(tensor(128, 7, 73)), Some(&pool(0)));
    assert_eq!(ledger.live().iter().filter(|one| one.tensor == 73).count(), 2);
}

/// The field report: 16 allocations and 8 frees of each of two buffers, on 8 devices. What it was: the program cache's
/// kernel binaries and a temporary view at the same address.
#[test]
fn an_address_reported_twice_and_freed_once_is_one_region_held_by_one() {
    let mut events = Vec::new();
    for device in 0..8 {
        for (size, address) in [(12_288, 1_073_739_776), (24_576, 1_073_737_728)] {
            let report = allocate(device, Memory::Dram, address, size);
            events.extend([report, report, free(device, address)]);
        }
    }
    let ledger = after(&events);
    for device in 0..8 {
        let dram = totals(&ledger, device, Memory::Dram);
        assert_eq!((dram.live_bytes, dram.live_buffers, dram.allocations, dram.frees), (36_864, 2, 4, 2));
    }
    let live = ledger.live();
    assert_eq!(live.len(), 16);
    assert!(live.iter().all(|region| (region.holders, region.reports) == (1, 2)));
    assert_eq!(live.iter().map(|region| region.size).sum::<u64>(), 294_912);
    assert_eq!(ledger.findings(), [Finding::HeldByFewerThanReported { regions: 16, bytes: 294_912 }]);
}

#[test]
fn a_holder_with_an_id_frees_once_and_a_stranger_frees_nothing() {
    let held = |holder| Event { holder, ..allocate(0, Memory::L1, 64, 100) };
    let let_go = |holder| Event { memory: Some(Memory::L1), holder, ..free(0, 64) };
    let mut ledger = after(&[held(7), held(8), held(8), let_go(9)]);
    assert_eq!(ledger.anomalies().unmatched_frees, 1);
    assert_eq!(ledger.anomalies().duplicate_holders, 1);
    assert_eq!((ledger.live()[0].holders, ledger.live()[0].reports), (2, 2));
    ledger.apply(&let_go(7), None);
    ledger.apply(&let_go(7), None);
    assert_eq!(ledger.anomalies().unmatched_frees, 2, "a double free");
    assert_eq!(ledger.live().len(), 1);
    ledger.apply(&let_go(8), None);
    assert!(ledger.live().is_empty());
}

#[test]
fn a_mesh_buffer_is_one_region_a_chip_and_goes_with_its_pool_alone() {
    let pool = Pool { allocator: 1, chips: vec![0, 3] };
    let other = Pool { allocator: 2, chips: vec![3] };
    let on_pool = |kind| Event { kind, target: Target::Pool(0), ..allocate(0, Memory::Dram, 32, 1000) };
    let banked = Event { size_per_bank: Some(96), holder: 5, ..on_pool(EventKind::Allocate) };
    let mut ledger = Ledger::new();
    ledger.apply(&banked, Some(&pool));
    ledger.apply(&Event { address: 4096, holder: 6, ..banked }, Some(&other));
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes_per_bank, Some(96));
    assert_eq!(totals(&ledger, 3, Memory::Dram).live_bytes, 2000);
    ledger.apply(&on_pool(EventKind::PoolReleased), Some(&pool));
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes, 0);
    assert_eq!(totals(&ledger, 3, Memory::Dram).live_bytes, 1000, "the submesh's own allocator keeps its buffer");
    assert_eq!(ledger.released_at_close().count, 2);
    assert_eq!(ledger.released_at_close().regions[0].state, State::ReleasedAtClose);
    let late = Event { holder: 5, memory: Some(Memory::Dram), ..on_pool(EventKind::Free) };
    ledger.apply(&late, Some(&pool));
    assert_eq!((ledger.anomalies().late_frees, ledger.anomalies().unmatched_frees), (2, 0));
    ledger.apply(&late, None);
    assert_eq!(ledger.anomalies().unknown_pools, 1);
}

/// Seen on the real wheel: a submesh's first tensor has its parent's first tensor's address.
#[test]
fn a_submesh_and_its_parent_keep_their_own_books_of_the_same_address() {
    let parent = Pool { allocator: 1, chips: vec![0, 1] };
    let submesh = Pool { allocator: 2, chips: vec![0] };
    let tensor = Event { size_per_bank: Some(16_384), ..allocate(0, Memory::Dram, 0x10_0080, 131_072) };
    let on_pool = |holder| Event { target: Target::Pool(0), holder, ..tensor };
    let mut ledger = Ledger::new();
    ledger.apply(&on_pool(1), Some(&parent));
    ledger.apply(&on_pool(2), Some(&submesh));
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes_per_bank, Some(2 * 16_384));
    assert_eq!(totals(&ledger, 1, Memory::Dram).live_bytes_per_bank, Some(16_384));
    assert_eq!(ledger.findings(), [Finding::AllocatorsOverlap { device: 0, memory: Memory::Dram, regions: 1 }]);
    ledger.apply(&Event { kind: EventKind::PoolReleased, ..on_pool(0) }, Some(&submesh));
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes_per_bank, Some(16_384));
    let view = Event { flags: flags::PREALLOCATED, ..on_pool(3) };
    ledger.apply(&view, Some(&Pool { allocator: 3, ..parent.clone() }));
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_buffers, 1, "a view holds what is there");
    let free = |event| Event { kind: EventKind::Free, ..event };
    ledger.apply(&free(on_pool(1)), Some(&parent));
    ledger.apply(&free(view), Some(&Pool { allocator: 3, ..parent.clone() }));
    assert!(ledger.live().is_empty());
    assert_eq!(ledger.anomalies().unmatched_frees, 0);
}

#[test]
fn each_core_has_addresses_of_its_own() {
    let on_core = |core: OnCore, holder, kind| Event {
        kind,
        size_per_bank: None,
        holder,
        extra: core.code(),
        ..allocate(0, Memory::L1, 64, 1024)
    };
    let [left, right] = [0, 1].map(|x| OnCore::At { x, y: 3 });
    let both = [on_core(left, 1, EventKind::Allocate), on_core(right, 2, EventKind::Allocate)];
    let ledger = after(&both);
    assert_eq!(ledger.live().iter().map(|region| region.core).collect::<Vec<_>>(), [Some(left), Some(right)]);
    assert_eq!(totals(&ledger, 0, Memory::L1).live_bytes, 2048);
    assert_eq!(ledger.findings(), []);
    // A view of one of them is another holder of that one.
    let view = Event { flags: flags::PREALLOCATED, ..on_core(right, 3, EventKind::Allocate) };
    let free = Event { flags: flags::PREALLOCATED, ..on_core(right, 3, EventKind::Free) };
    let ledger = after(&[both[0], both[1], view, free, on_core(left, 1, EventKind::Free)]);
    let (live, l1) = (ledger.live(), totals(&ledger, 0, Memory::L1));
    assert_eq!((live.len(), live[0].core, l1.live_bytes), (1, Some(right), 1024));
    assert_eq!(after(&both[..1]).anomalies().unmatched_frees, 0);
    // Where the addresses can't be read, each holder is a region.
    let unknown = |holder| Event { address: holder, ..on_core(OnCore::Unknown, holder, EventKind::Allocate) };
    let findings = after(&[unknown(1), unknown(2)]).findings();
    assert_eq!(findings, [Finding::AddressesUnknown { regions: 2, bytes: 2048 }]);
}

#[test]
fn many_holders_and_many_circular_buffers_cost_no_more_each() {
    let mut ledger = Ledger::new();
    let view = |holder| Event { holder, ..allocate(0, Memory::Dram, 8, 1) };
    (1..=100_000).for_each(|holder| ledger.apply(&view(holder), None));
    (1..=100_000).for_each(|n| ledger.apply(&place(0, n % 1000 * 64, 48), None));
    assert_eq!((ledger.live()[0].holders, ledger.live().len()), (1, 100_001));
    assert_eq!(totals(&ledger, 0, Memory::CircularBuffer).live_bytes, 48_000);
    (1..=100_000).for_each(|holder| ledger.apply(&Event { kind: EventKind::Free, ..view(holder) }, None));
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_buffers, 0);
    assert_eq!(ledger.anomalies().unmatched_frees, 0);
}
