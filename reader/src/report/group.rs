//! What many devices have alike is told once.

use super::{
    SharedDevice,
    model::{DeviceReport, RegionReport},
    units::ranges,
};

/// Devices with equal sums, in the order of their first.
pub(super) fn devices(devices: &[DeviceReport]) -> Vec<(Vec<i32>, &DeviceReport)> {
    alike(devices, |device| device.device_id, |one, other| one.memory == other.memory)
}

/// The same of devices over all processes.
pub(super) fn shared_devices(devices: &[SharedDevice]) -> Vec<(Vec<i32>, &SharedDevice)> {
    alike(devices, |device| device.device_id, |one, other| one.memory == other.memory)
}

fn alike<T>(devices: &[T], id: fn(&T) -> i32, is_equal: fn(&T, &T) -> bool) -> Vec<(Vec<i32>, &T)> {
    let mut groups: Vec<(Vec<i32>, &T)> = Vec::new();
    for device in devices {
        match groups.iter_mut().find(|(_, first)| is_equal(first, device)) {
            Some((ids, _)) => ids.push(id(device)),
            None => groups.push((vec![id(device)], device)),
        }
    }
    groups
}

/// Regions that are alike but for their device, in the order of their first.
pub(super) fn regions(regions: &[RegionReport]) -> Vec<(Vec<i32>, &RegionReport)> {
    let mut groups: Vec<(Vec<i32>, &RegionReport)> = Vec::new();
    let mut index = std::collections::HashMap::new();
    for region in regions {
        let held = (region.holders, region.reports, region.cached, region.suppressed_by.is_some());
        let key = (&region.memory, region.address, region.size, region.size_per_bank, held, &region.site);
        // A device that has several alike (circular buffers of two programs) begins another group.
        let group = index.entry(key).or_insert_with(Vec::new);
        let open = group.iter().copied().find(|&at: &usize| !groups[at].0.contains(&region.device_id));
        match open {
            Some(at) => groups[at].0.push(region.device_id),
            None => {
                group.push(groups.len());
                groups.push((vec![region.device_id], region));
            }
        }
    }
    for (ids, _) in &mut groups {
        ids.sort_unstable();
    }
    groups
}

/// Regions that are alike but for their address.
pub(super) struct Kind<'a> {
    /// On each of these.
    pub(super) devices: Vec<i32>,
    /// The first of them.
    pub(super) region: &'a RegionReport,
    /// How many, on each device.
    pub(super) regions: u64,
}

/// Groups of [`regions`] that are alike, the largest together first. Those whose site nobody knows are told one by one.
pub(super) fn kinds(groups: Vec<(Vec<i32>, &RegionReport)>) -> Vec<Kind<'_>> {
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    let mut index = std::collections::HashMap::new();
    for (devices, region) in groups {
        let held = (region.holders, region.reports, region.cached, region.suppressed_by.is_some());
        let circular = (region.num_cores, region.globally_allocated);
        let alone = if region.site.is_empty() { Some(kinds.len()) } else { None };
        let key = (devices.clone(), &region.memory, region.size, held, circular, &region.site, alone);
        let at = *index.entry(key).or_insert(kinds.len());
        match kinds.get_mut(at) {
            Some(kind) => kind.regions += 1,
            None => kinds.push(Kind { devices, region, regions: 1 }),
        }
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.region.size.saturating_mul(kind.regions)));
    kinds
}

/// "device 3", or "devices 0-7, each", within `room` where it can be.
pub(super) fn name(ids: &[i32], room: usize) -> String {
    match ids {
        [id] => format!("device {id}"),
        ids => format!("devices {}, each", ranges(ids, room.saturating_sub("devices , each".len()))),
    }
}

/// "device 3", or "devices 0-7", in a sentence.
pub fn plain_name(ids: &[i32]) -> String {
    match ids {
        [id] => format!("device {id}"),
        ids => format!("devices {}", ranges(ids, 40)),
    }
}
