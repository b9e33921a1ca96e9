//! What an allocator was made with: the banks of L1, reported when a device is first seen with it.

use std::{ffi::c_void, mem::transmute};

use ttmem_wire::{Event, EventKind, Memory, Target};

use super::metal::Object;
use crate::{
    capture::{Site, guarded, record},
    symbols::Symbol,
    tracker::Tracker,
};

/// `BufferType::L1`, and `HalMemType::L1`.
static L1: u32 = 1;
static L1_OF_HARDWARE: u32 = 0;

static BANK_SIZE: Symbol = Symbol::new(c"_ZNK2tt8tt_metal13AllocatorImpl13get_bank_sizeERKNS0_10BufferTypeE");
static NUM_BANKS: Symbol = Symbol::new(c"_ZNK2tt8tt_metal13AllocatorImpl13get_num_banksERKNS0_10BufferTypeE");
static BASE: Symbol = Symbol::new(c"_ZNK2tt8tt_metal13AllocatorImpl23get_base_allocator_addrERKNS0_10HalMemTypeE");

type Of<T> = unsafe extern "C-unwind" fn(Object, *const u32) -> T;

/// Reports it of this valid allocator, which serves `target`. A build that lacks one of the getters reports nothing.
#[cold]
pub(super) fn note(tracker: &'static Tracker, allocator: Object, target: Target) {
    let [size, banks, base] = [&BANK_SIZE, &NUM_BANKS, &BASE].map(Symbol::address);
    if allocator.is_null() || size.is_null() || banks.is_null() || base.is_null() {
        return;
    }
    // SAFETY: the mangled names fix the signatures: an enum by reference, of which at most four bytes are read. The allocator
    // is the one whose call we stand in, and none of its locks is held.
    let (size, extra, address) = unsafe {
        (
            transmute::<*mut c_void, Of<u64>>(size)(allocator, &raw const L1),
            transmute::<*mut c_void, Of<u32>>(banks)(allocator, &raw const L1),
            transmute::<*mut c_void, Of<u64>>(base)(allocator, &raw const L1_OF_HARDWARE),
        )
    };
    let event =
        Event { kind: EventKind::Capacity, memory: Some(Memory::L1), target, size, extra, address, ..Event::default() };
    guarded(|| record(tracker, event, Site::Given));
}
