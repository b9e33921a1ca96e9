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
