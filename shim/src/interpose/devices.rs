//! From a device object to its chips, cached.

use std::time::Duration;

use ttmem_wire::{Pool, Target};

use super::{
    allocated_before, build, capacity,
    metal::{DeviceKind, Metal, Object},
};
use crate::{nap::Patience, tracker::Tracker};

/// How long a thread waits while another sees a device first: longer than [`crate::patch::settle`] waits, and 100,000 allocations take to
/// be reported. After that it goes on without.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where events on this device object belong. `allocator` is the one at work, or null.
#[inline(always)]
pub(super) fn target(tracker: &'static Tracker, metal: &Metal, device: Object, allocator: Object) -> Option<Target> {
    match tracker.pool_cache.find(device as usize, allocator as usize) {
        Some(pool) => Some(Target::Pool(pool)),
        None => ask(tracker, metal, device, allocator),
    }
}

#[cold]
#[inline(never)]
fn ask(tracker: &'static Tracker, metal: &Metal, device: Object, allocator: Object) -> Option<Target> {
    // One thread sees it first. The others wait: what the allocator holds by now is reported before anything that they do to it.
    let _first = tracker.first_sight.wait(Patience::new(PATIENCE));
    if let Some(pool) = tracker.pool_cache.find(device as usize, allocator as usize) {
        return Some(Target::Pool(pool));
    }
    build::note(tracker);
    let chips = match metal.kind(device) {
        Some(DeviceKind::Mesh) => metal.mesh_chips(device),
        Some(DeviceKind::Chip) => vec![metal.chip_id(device)],
        // A class that we do not know, on chips that we cannot ask for: lost, and counted.
        None => {
            tracker.producers.count_dropped();
            return None;
        }
    };
    let only = match chips.as_slice() {
        &[chip] => Some(Target::Device(chip)),
        _ => None,
    };
    // Not by MeshDevice::id(), which counts up with every open: a mesh that is opened again is to find its entry again.
    let pool = Pool { allocator: 0, chips };
    // Without room in the table a single chip can still be named; events on a mesh are then lost, and counted.
    let entered = tracker.pool_cache.insert(tracker.pools, device as usize, allocator as usize, pool, |pool| {
        capacity::note(tracker, allocator, Target::Pool(pool));
        allocated_before::note(tracker, metal, device, allocator, Target::Pool(pool));
    });
    entered.map(Target::Pool).or(only)
}
