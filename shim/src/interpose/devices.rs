//! From a device object to its chips, cached.

use ttmem_wire::{Pool, Target};

use super::metal::{DeviceKind, Metal, Object};
use crate::lifecycle::Tracker;

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
    let (chips, mesh) = match metal.kind(device)? {
        DeviceKind::Mesh => (metal.mesh_chips(device), u32::try_from(metal.mesh_id(device)).ok()),
        DeviceKind::Chip => (vec![metal.chip_id(device)], None),
    };
    let only = match chips.as_slice() {
        &[chip] => Some(Target::Device(chip)),
        _ => None,
    };
    let pool = Pool { allocator: 0, mesh, chips };
    // Without room in the table a single chip can still be named.
    tracker.pool_cache.insert(tracker.pools, device as usize, allocator as usize, pool).map(Target::Pool).or(only)
}
