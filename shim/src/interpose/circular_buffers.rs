//! Circular buffers: reported by chip, placed once for each program, freed without an address.

use std::ffi::c_void;

use ttmem_wire::{Event, Target, flags};

use super::{
    call_real, devices,
    gathering::{self, Report},
    hook,
    metal::{Metal, Object},
    program, witnesses,
};
use crate::{
    capture::{Site, guarded, record, site},
    fired,
    tracker::Tracker,
};

hook! {
    /// `GraphTracker::track_allocate_cb(CoreRangeSet const&, u64 address, u64 size, bool is_globally_allocated, IDevice const*)`.
    TRACK_ALLOCATE = "_ZN2tt8tt_metal12GraphTracker17track_allocate_cbERKNS0_12CoreRangeSetEmmbPKNS0_7IDeviceE";
    fn allocate(
        graph: *mut c_void,
        cores: *const c_void,
        address: u64,
        size: u64,
        is_globally_allocated: bool,
        device: *const c_void,
    ) {
        fired::note(&fired::ANY);
        if let Some((tracker, metal)) = witnesses()
            && let Some(target) = devices::target(tracker, metal, device, std::ptr::null())
        {
            note(tracker, metal, cores, (address, size, is_globally_allocated), target);
        }
        call_real!(
            TRACK_ALLOCATE,
            fn(*mut c_void, *const c_void, u64, u64, bool, *const c_void) -> (),
            (graph, cores, address, size, is_globally_allocated, device),
            else ()
        );
    }
}

#[inline(always)]
fn note(
    tracker: &'static Tracker,
    metal: &Metal,
    cores: Object,
    (address, size, is_globally_allocated): (u64, u64, bool),
    target: Target,
) {
    let (program, is_new) =
        program::with(|program| (program.id.get(), matches!(target, Target::Pool(pool) if program.is_first_in(pool))));
    let globally = if is_globally_allocated { flags::GLOBALLY_ALLOCATED } else { 0 };
    let flags = globally | if is_new { flags::NEW_PLACEMENT } else { 0 };
    if let Target::Pool(pool) = target
        && gathering::goes_on(cores as usize, address, size, flags, pool)
    {
        return;
    }
    let ranges = metal.core_ranges(cores);
    let each = || (0..ranges.len()).filter_map(|index| ranges.get(index));
    let num_cores = ranges.num_cores;
    let report = Report { cores: cores as usize, address, size, num_cores, flags, is_free: false, ranges: 0 };
    let site = site_of(tracker, program);
    guarded(|| {
        let is_taken = matches!(target, Target::Pool(pool) if gathering::take(tracker, report, each(), pool));
        if !is_taken {
            let event = program::with(|program| report.event(target, program, ranges.get(0)));
            gathering::tell_each(tracker, Event { site, ..event }, each().skip(1));
        }
    });
}

/// Looked up once for each call that places a program's circular buffers; where the program is not known, each time.
#[inline(always)]
fn site_of(tracker: &'static Tracker, program: u64) -> u32 {
    let known = program::with(|program| program.site.get());
    match known {
        Some(site) if program != 0 => site,
        _ => {
            let site = site(tracker);
            program::with(|program| program.site.set(Some(site)));
            site
        }
    }
}

hook! {
    /// `GraphTracker::track_deallocate_cb(IDevice const*)`: a program was destroyed. At process exit that comes after the
    /// device was closed and is gone, so the device object is only looked up, never touched.
    TRACK_DEALLOCATE = "_ZN2tt8tt_metal12GraphTracker19track_deallocate_cbEPKNS0_7IDeviceE";
    fn deallocate(graph: *mut c_void, device: *const c_void) {
        fired::note(&fired::ANY);
        if let Some(tracker) = crate::fork_guard::tracker()
            && let Some(pool) = known(tracker, device)
        {
            guarded(|| {
                if !gathering::take(tracker, Report::FREE, std::iter::empty(), pool) {
                    let event = program::with(|program| Report::FREE.event(Target::Pool(pool), program, None));
                    record(tracker, event, Site::Given);
                }
            });
        }
        call_real!(TRACK_DEALLOCATE, fn(*mut c_void, *const c_void) -> (), (graph, device), else ());
    }
}

fn known(tracker: &crate::tracker::Tracker, device: Object) -> Option<u32> {
    tracker.pool_cache.find(device as usize, 0)
}
