//! `tt::tt_metal::AllocationClient`, the first proof of concept's client, in builds that were patched with it.
//!
//! Where the allocator's own hooks speak, they are the truth, and the client's reports of the same buffers are left out.

use std::sync::atomic::Ordering;

use super::{call_real, hook};
use crate::{abi, fired, startup};

fn is_the_only_witness() -> bool {
    fired::note(&fired::ANY);
    !fired::ALLOCATOR.load(Ordering::Relaxed)
}

hook! {
    /// `AllocationClient::report_allocation(int, uint64_t, uint8_t, uint64_t)`.
    REPORT_ALLOCATION = "_ZN2tt8tt_metal16AllocationClient17report_allocationEimhm";
    fn report_allocation(device_id: i32, size: u64, buffer_type: u8, buffer_id: u64) {
        if is_the_only_witness() {
            abi::report_allocation(device_id, size, buffer_type, buffer_id);
        }
        call_real!(
            REPORT_ALLOCATION,
            fn(i32, u64, u8, u64) -> (),
            (device_id, size, buffer_type, buffer_id),
            else ()
        );
    }
}

hook! {
    /// `AllocationClient::report_deallocation(uint64_t)`: on whichever device.
    REPORT_DEALLOCATION = "_ZN2tt8tt_metal16AllocationClient19report_deallocationEm";
    fn report_deallocation(buffer_id: u64) {
        if is_the_only_witness() {
            abi::report_deallocation(abi::TTMEM_ANY_DEVICE, buffer_id);
        }
        call_real!(REPORT_DEALLOCATION, fn(u64) -> (), (buffer_id), else ());
    }
}

hook! {
    /// `AllocationClient::report_deallocation(int, uint64_t)`.
    REPORT_DEALLOCATION_ON = "_ZN2tt8tt_metal16AllocationClient19report_deallocationEim";
    fn report_deallocation_on(device_id: i32, buffer_id: u64) {
        if is_the_only_witness() {
            abi::report_deallocation(device_id, buffer_id);
        }
        call_real!(REPORT_DEALLOCATION_ON, fn(i32, u64) -> (), (device_id, buffer_id), else ());
    }
}

hook! {
    /// `AllocationClient::is_enabled()`: true while we listen, so that the program reports; else what the real one says.
    IS_ENABLED = "_ZN2tt8tt_metal16AllocationClient10is_enabledEv";
    fn is_enabled() -> bool {
        fired::note(&fired::ANY);
        startup::is_on() || call_real!(IS_ENABLED, fn() -> bool, (), else false)
    }
}
