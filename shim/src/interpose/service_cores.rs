//! L1 of service cores: cores of the dispatch column that a program claims. They belong to no allocator, and `ServiceCoreManager` hands
//! out their L1, from its top.
//!
//! The functions of its implementation are stood in for: those of `ServiceCoreManager` itself only jump there. `reserve_l1_to_top` is
//! not: it keeps what others hold there, and have reported, out of its hands.

use std::ffi::c_void;

use ttmem_wire::{Event, EventKind, Memory, OnCore, Target, flags};

use super::{
    call_real, devices, hook,
    metal::{self, Object},
    refusals, watched, witnesses,
};
use crate::{
    capture::{self, Site, guarded, record},
    fired, fork_guard,
    past_allocators::HandedOut,
    tracker::Tracker,
};

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
        if ALLOCATE.address().is_null() {
            return 0;
        }
        let asked = Asked::new(device, size);
        let mut real = || {
            call_real!(
                ALLOCATE,
                fn(*mut c_void, *mut c_void, u64, u64, u64) -> u64,
                (manager, device, x, y, size),
                else 0
            )
        };
        let Some(asked) = asked else { return real() };
        let address = watched::call_with(&mut real, &|thrown| refusals::report(asked.tracker, asked.request, thrown));
        asked.granted(Core { x, y }, address);
        address
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

/// What is asked for on a core.
struct Asked {
    tracker: &'static Tracker,
    request: Event,
}

impl Asked {
    #[cold]
    fn new(device: Object, size: u64) -> Option<Self> {
        let (tracker, metal) = witnesses()?;
        let request = Event {
            kind: EventKind::OutOfMemory,
            memory: Some(Memory::L1),
            target: devices::target(tracker, metal, device, std::ptr::null())?,
            flags: flags::SERVICE_CORE,
            size,
            site: capture::site(tracker),
            ..Event::default()
        };
        Some(Self { tracker, request })
    }

    fn granted(self, core: Core, address: u64) {
        let event = Event {
            kind: EventKind::Allocate,
            address,
            // The core is no bank of an allocator.
            size_per_bank: Some(0),
            extra: core.code(),
            ..self.request
        };
        hand_out(self.tracker, [HandedOut { arena: (0, 0), event }]);
    }
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

/// A device was closed: tt-metal has let go of all on its chips.
pub(super) fn closed(tracker: &'static Tracker, target: Target) {
    tracker.past_allocators.forget(target, |number| tracker.pools.get(number));
}
