//! What an allocator was made with: the banks of each memory, reported when a device is first seen with it.

use std::{ffi::c_void, mem::transmute};

use ttmem_wire::{Event, EventKind, Memory, Target};

use super::metal::Object;
use crate::{
    capture::{Site, guarded, record},
    symbols::Symbol,
    tracker::Tracker,
};

/// `HalMemType` values.
const L1_OF_HARDWARE: u32 = 0;
const DRAM_OF_HARDWARE: u32 = 1;

static BANK_SIZE: Symbol = Symbol::new(c"_ZNK2tt8tt_metal13AllocatorImpl13get_bank_sizeERKNS0_10BufferTypeE");
static NUM_BANKS: Symbol = Symbol::new(c"_ZNK2tt8tt_metal13AllocatorImpl13get_num_banksERKNS0_10BufferTypeE");
static BASE: Symbol = Symbol::new(c"_ZNK2tt8tt_metal13AllocatorImpl23get_base_allocator_addrERKNS0_10HalMemTypeE");

type Of<T> = unsafe extern "C-unwind" fn(Object, *const u32) -> T;

/// The getters of an allocator whose call we stand in.
struct Asked {
    allocator: Object,
    size: Of<u64>,
    banks: Of<u32>,
    base: Of<u64>,
}

impl Asked {
    /// `None` in a build that lacks one of them.
    fn new(allocator: Object) -> Option<Self> {
        let [size, banks, base] = [&BANK_SIZE, &NUM_BANKS, &BASE].map(Symbol::address);
        if allocator.is_null() || size.is_null() || banks.is_null() || base.is_null() {
            return None;
        }
        // SAFETY: the mangled names fix the signatures: an enum by reference, of which at most four bytes are read.
        Some(unsafe {
            Self {
                allocator,
                size: transmute::<*mut c_void, Of<u64>>(size),
                banks: transmute::<*mut c_void, Of<u32>>(banks),
                base: transmute::<*mut c_void, Of<u64>>(base),
            }
        })
    }

    /// Bytes of a bank, and how many there are; none of a memory that the device was opened without.
    fn banks(&self, memory: Memory) -> (u64, u32) {
        let code = u32::from(memory.code());
        // SAFETY: the allocator is the one whose call we stand in, and none of its locks is held.
        unsafe { ((self.size)(self.allocator, &raw const code), (self.banks)(self.allocator, &raw const code)) }
    }

    fn base(&self, hardware: u32) -> u64 {
        // SAFETY: as in `banks`.
        unsafe { (self.base)(self.allocator, &raw const hardware) }
    }
}

/// Reports the banks of this valid allocator, which serves `target`. A build that lacks one of the getters reports nothing.
#[cold]
pub(super) fn note(tracker: &'static Tracker, allocator: Object, target: Target) {
    let Some(asked) = Asked::new(allocator) else { return };
    // Each part set aside lies behind the memory that it is a part of.
    for (hardware, memories) in
        [(DRAM_OF_HARDWARE, [Memory::Dram, Memory::Trace]), (L1_OF_HARDWARE, [Memory::L1, Memory::L1Small])]
    {
        let mut address = asked.base(hardware);
        for memory in memories {
            let (size, extra) = asked.banks(memory);
            if size > 0 && extra > 0 {
                let kind = EventKind::Capacity;
                let event = Event { kind, memory: Some(memory), target, size, extra, address, ..Event::default() };
                guarded(|| record(tracker, event, Site::Given));
            }
            address = address.saturating_add(size);
        }
    }
}
