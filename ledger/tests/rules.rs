//! Each rule of the ledger with the smallest trace that shows it.

use ttmem_ledger::{End, Finding, Ledger, State, Totals};
use ttmem_wire::{ANY_DEVICE, CoreRange, Event, EventKind, Memory, OnCore, Pool, Target, flags};

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
fn a_globally_allocated_circular_buffer_is_listed_and_not_counted() {
    let inside = Event { flags: flags::GLOBALLY_ALLOCATED, ..place(0, 4096, 512) };
    let ledger = after(&[inside]);
    assert_eq!(totals(&ledger, 0, Memory::CircularBuffer).live_bytes, 0);
    assert!(ledger.live()[0].globally_allocated);
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

#[test]
fn closing_a_device_releases_what_is_left_there_and_only_there() {
    let mut ledger = after(&[
        allocate(0, Memory::Dram, 1, 10),
        allocate(1, Memory::Dram, 1, 10),
        place(0, 5, 5),
        on(EventKind::DeviceClosed, 0),
    ]);
    assert_eq!(ledger.live().len(), 1);
    assert_eq!(totals(&ledger, 0, Memory::Dram).released_at_close, 1);
    assert_eq!(totals(&ledger, 0, Memory::CircularBuffer).released_at_close, 1);
    ledger.apply(&free(0, 1), None);
    assert_eq!(ledger.anomalies().unmatched_frees, 0);
    ledger.apply(&free(0, 1), None);
    assert_eq!(ledger.anomalies().unmatched_frees, 1, "it was held once, so it can be freed late once");
    ledger.apply(&allocate(0, Memory::Dram, 1, 20), None);
    assert_eq!(totals(&ledger, 0, Memory::Dram).live_bytes, 20, "the address serves again");
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
fn what_a_dead_process_held_is_at_exit_or_orphaned() {
    for (end, state) in [(End::Exited, State::LiveAtExit), (End::Killed, State::Orphaned)] {
        let mut ledger = after(&[allocate(0, Memory::Dram, 1, 1)]);
        assert_eq!(ledger.live()[0].state, State::Live);
        ledger.end(end);
        assert_eq!(ledger.live()[0].state, state);
    }
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
fn a_closed_device_with_thousands_of_cycles_remembers_a_bounded_past() {
    let mut ledger = Ledger::new();
    for cycle in 1..=3_u64 {
        for buffer in 0..200_000 {
            let holder = cycle * 1_000_000 + buffer;
            ledger.apply(&Event { holder, ..allocate(0, Memory::Dram, holder, 1) }, None);
        }
        ledger.apply(&on(EventKind::DeviceClosed, 0), None);
    }
    let late = |holder| Event { kind: EventKind::Free, holder, ..allocate(0, Memory::Dram, holder, 1) };
    ledger.apply(&late(3_000_001), None);
    assert_eq!(ledger.anomalies().late_frees, 1);
    ledger.apply(&late(1_000_001), None);
    assert_eq!(ledger.anomalies().unmatched_frees, 1, "forgotten with the first close");
    assert_eq!(ledger.released_at_close().count, 600_000);
    assert_eq!(ledger.released_at_close().regions.len(), ttmem_ledger::MAX_LISTED);
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

#[test]
fn an_allocation_without_a_memory_is_attributed_to_nothing() {
    let nowhere = Event { memory: None, ..allocate(0, Memory::Dram, 8, 1) };
    let odd = Event { memory: Some(Memory::CircularBuffer), ..nowhere };
    let ledger = after(&[nowhere, odd, place(0, 8, 8), on(EventKind::DeviceClosed, 0)]);
    assert_eq!(ledger.anomalies().without_memory, 2);
    assert_eq!(ledger.totals().len(), 1);
}

#[test]
fn releasing_all_circular_buffers_frees_those_of_every_device() {
    let mut ledger = after(&[place(0, 8, 8), place(4, 8, 8), on(EventKind::CbFreeAll, ANY_DEVICE)]);
    assert!(ledger.live().is_empty());
    ledger.apply(&place(5, 8, 8), None);
    assert!(ledger.findings().is_empty(), "releases are reported, if not for this device yet");
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
