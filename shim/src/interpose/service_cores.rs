//! L1 of service cores: cores of the dispatch column that a program claims. They belong to no allocator, and `ServiceCoreManager` hands
//! out their L1, from its top.
//!
//! The functions of its implementation are stood in for: those of `ServiceCoreManager` itself only jump there.

use std::{ffi::c_void, mem::transmute};

use ttmem_wire::{Event, EventKind, Memory, OnCore, Target, flags};

use super::{
    call_real, devices, hook,
    metal::{self, Object},
    witnesses,
};
use crate::{
    capture::{self, Site, guarded, record},
    fired, fork_guard,
    past_allocators::HandedOut,
    symbols::Symbol,
    tracker::Tracker,
};

static IS_CLAIMED: Symbol =
    Symbol::new(c"_ZNK2tt8tt_metal8internal22ServiceCoreManagerImpl15is_service_coreEiNS_7xy_pairE");
static AVAILABLE: Symbol =
    Symbol::new(c"_ZNK2tt8tt_metal8internal22ServiceCoreManagerImpl15bytes_availableEPNS0_7IDeviceENS_7xy_pairE");

/// More cores than any device has are taken for a vector of another kind.
const MOST_CORES: usize = 4096;

/// `xy_pair`, which is passed as two numbers.
#[repr(C)]
#[derive(Clone, Copy)]
struct Core {
    x: u64,
    y: u64,
}

impl Core {
    /// As it stands in an event.
    fn code(self) -> u32 {
        match (u16::try_from(self.x), u16::try_from(self.y)) {
            (Ok(x), Ok(y)) => OnCore::At { x, y }.code(),
            _ => OnCore::Unknown.code(),
        }
    }
}

/// A `std::vector<xy_pair>`.
#[repr(C)]
struct CoreVector {
    begin: *const Core,
    end: *const Core,
}

hook! {
    /// `ServiceCoreManagerImpl::allocate_l1(IDevice*, xy_pair, size_t)`: the address, or an exception.
    ALLOCATE = "_ZN2tt8tt_metal8internal22ServiceCoreManagerImpl11allocate_l1EPNS0_7IDeviceENS_7xy_pairEm";
    fn allocate(manager: *mut c_void, device: *mut c_void, x: u64, y: u64, size: u64) -> u64 {
        fired::note(&fired::ANY);
        let address = call_real!(
            ALLOCATE,
            fn(*mut c_void, *mut c_void, u64, u64, u64) -> u64,
            (manager, device, x, y, size),
            else return 0
        );
        note(device, Core { x, y }, address, size);
        address
    }
}

hook! {
    /// `ServiceCoreManagerImpl::reserve_l1_to_top(IDevice*, xy_pair, u64 address)`: all from that address on. It gives the address.
    RESERVE = "_ZN2tt8tt_metal8internal22ServiceCoreManagerImpl17reserve_l1_to_topEPNS0_7IDeviceENS_7xy_pairEm";
    fn reserve(manager: *mut c_void, device: *mut c_void, x: u64, y: u64, address: u64) -> u64 {
        fired::note(&fired::ANY);
        let core = Core { x, y };
        let before = available(manager, device, core);
        let result = call_real!(
            RESERVE,
            fn(*mut c_void, *mut c_void, u64, u64, u64) -> u64,
            (manager, device, x, y, address),
            else return 0
        );
        match before.zip(available(manager, device, core)) {
            Some((before, after)) => note(device, core, address, before.saturating_sub(after)),
            None => lost(),
        }
        result
    }
}

hook! {
    /// `ServiceCoreManagerImpl::deallocate_l1(IDevice*, xy_pair, u64 address)`.
    DEALLOCATE = "_ZN2tt8tt_metal8internal22ServiceCoreManagerImpl13deallocate_l1EPNS0_7IDeviceENS_7xy_pairEm";
    fn deallocate(manager: *mut c_void, device: *mut c_void, x: u64, y: u64, address: u64) {
        fired::note(&fired::ANY);
        // Before the real call: as soon as it has begun, another thread may be given the same bytes.
        give_back(device, |event| event.extra == Core { x, y }.code() && event.address == address);
        call_real!(
            DEALLOCATE,
            fn(*mut c_void, *mut c_void, u64, u64, u64) -> (),
            (manager, device, x, y, address),
            else ()
        );
    }
}

hook! {
    /// `ServiceCoreManagerImpl::release(IDevice*, std::vector<xy_pair> const&)`: frees all on these cores.
    RELEASE = "_ZN2tt8tt_metal8internal22ServiceCoreManagerImpl7releaseEPNS0_7IDeviceERKSt6vectorINS_7xy_pairESaIS6_EE";
    fn release(manager: *mut c_void, device: *mut c_void, cores: *const c_void) {
        fired::note(&fired::ANY);
        let codes = codes(cores);
        give_back(device, |event| codes.contains(&event.extra));
        call_real!(RELEASE, fn(*mut c_void, *mut c_void, *const c_void) -> (), (manager, device, cores), else ());
    }
}

/// Bytes that a service core has left; `None` of another core, and where the build does not say.
fn available(manager: Object, device: Object, core: Core) -> Option<u64> {
    let (is_claimed, bytes) = (IS_CLAIMED.address(), AVAILABLE.address());
    let (_, metal) = witnesses()?;
    metal.kind(device)?;
    if is_claimed.is_null() || bytes.is_null() {
        return None;
    }
    // SAFETY: the mangled names fix the arguments, and tt-metal's headers the results. Of a claimed core the second does not throw.
    unsafe {
        let is_claimed: unsafe extern "C-unwind" fn(Object, i32, Core) -> bool =
            transmute::<*mut c_void, _>(is_claimed);
        let bytes: unsafe extern "C-unwind" fn(Object, Object, Core) -> u64 = transmute::<*mut c_void, _>(bytes);
        is_claimed(manager, metal.chip_id(device), core).then(|| bytes(manager, device, core))
    }
}

#[cold]
fn note(device: Object, core: Core, address: u64, size: u64) {
    let Some((tracker, metal)) = witnesses() else { return };
    let Some(target) = devices::target(tracker, metal, device, std::ptr::null()) else { return };
    let event = Event {
        kind: EventKind::Allocate,
        memory: Some(Memory::L1),
        target,
        flags: flags::SERVICE_CORE,
        address,
        size,
        // The core is no bank of an allocator.
        size_per_bank: Some(0),
        extra: core.code(),
        site: capture::site(tracker),
        ..Event::default()
    };
    hand_out(tracker, [HandedOut { arena: (0, 0), event }]);
}

/// Reports what was handed out, and keeps it until it is given back.
pub(super) fn hand_out(tracker: &'static Tracker, all: impl IntoIterator<Item = HandedOut>) {
    guarded(|| {
        tracker.past_allocators.add(all.into_iter().inspect(|one| record(tracker, one.event, Site::Given)));
    });
}

/// Reports that this was given back.
pub(super) fn take_back(tracker: &'static Tracker, is_meant: impl Fn(&HandedOut) -> bool) {
    guarded(|| {
        for Event { target, memory, address, extra, .. } in tracker.past_allocators.take(is_meant) {
            let event = Event { kind: EventKind::Free, memory, target, address, extra, ..Event::default() };
            record(tracker, event, Site::Given);
        }
    });
}

/// What this device's service cores have of it.
#[cold]
fn give_back(device: Object, is_meant: impl Fn(&Event) -> bool) {
    let Some((tracker, metal)) = fork_guard::tracker().zip(metal::known()) else { return };
    let Some(target) = devices::target(tracker, metal, device, std::ptr::null()) else { return };
    let is_here = |event: &Event| event.target == target;
    take_back(tracker, |one| one.arena.0 == 0 && is_here(&one.event) && is_meant(&one.event));
}

/// The cores of a vector.
fn codes(cores: Object) -> Vec<u32> {
    // SAFETY: the caller's vector is valid.
    let CoreVector { begin, end } = unsafe { cores.cast::<CoreVector>().read() };
    let count = (end as usize).saturating_sub(begin as usize) / size_of::<Core>();
    if begin.is_null() || count > MOST_CORES {
        return Vec::new();
    }
    // SAFETY: begin and end bound its elements.
    unsafe { std::slice::from_raw_parts(begin, count) }.iter().map(|core| core.code()).collect()
}

#[cold]
fn lost() {
    if let Some((tracker, _)) = witnesses() {
        tracker.producers.count_dropped();
    }
}

/// A device was closed: tt-metal has let go of all on its chips.
pub(super) fn closed(tracker: &'static Tracker, target: Target) {
    tracker.past_allocators.forget(target, |number| tracker.pools.get(number));
}
