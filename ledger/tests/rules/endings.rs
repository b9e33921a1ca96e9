//! The close of a device, and the end of a process.

use ttmem_ledger::{End, Ledger, State};
use ttmem_wire::{Event, EventKind, Memory};

use super::{after, allocate, free, on, place, totals};

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
fn what_a_dead_process_held_is_at_exit_or_orphaned() {
    for (end, state) in [(End::Exited, State::LiveAtExit), (End::Killed, State::Orphaned)] {
        let mut ledger = after(&[allocate(0, Memory::Dram, 1, 1)]);
        assert_eq!(ledger.live()[0].state, State::Live);
        ledger.end(end);
        assert_eq!(ledger.live()[0].state, state);
    }
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
