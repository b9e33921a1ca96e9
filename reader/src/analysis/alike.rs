//! What many devices have alike is one entry: the only grouping of devices.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    hash::Hash,
};

use ttmem_wire::Memory;

/// An item, and the devices that have it alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alike<T> {
    /// The devices, ascending.
    pub devices: Vec<i32>,
    /// The first of the items.
    pub first: T,
}

/// Groups items that are equal but for their device, in the order of the first of each. A device that has several equal ones (the
/// circular buffers of two programs) has one in each of as many groups.
pub fn alike<T, K: Eq + Hash>(
    items: impl IntoIterator<Item = T>,
    device: impl Fn(&T) -> i32,
    key: impl Fn(&T) -> K,
) -> Vec<Alike<T>> {
    let mut groups: Vec<Alike<T>> = Vec::new();
    let mut places: HashMap<K, Places> = HashMap::new();
    for item in items {
        let id = device(&item);
        let places = places.entry(key(&item)).or_default();
        let turn = places.turns.entry(id).or_insert(0);
        match places.groups.get(*turn) {
            Some(&at) => groups[at].devices.push(id),
            None => {
                places.groups.push(groups.len());
                groups.push(Alike { devices: vec![id], first: item });
            }
        }
        *turn += 1;
    }
    groups.iter_mut().for_each(|group| group.devices.sort_unstable());
    groups
}

/// Groups devices whose memories are all alike.
pub fn alike_devices<T: Debug>(rows: impl IntoIterator<Item = (i32, Memory, T)>) -> Vec<Alike<Vec<(Memory, T)>>> {
    let mut devices: BTreeMap<i32, Vec<(Memory, T)>> = BTreeMap::new();
    for (device, memory, one) in rows {
        devices.entry(device).or_default().push((memory, one));
    }
    let groups = alike(devices, |one| one.0, |(_, memories)| format!("{memories:?}"));
    groups.into_iter().map(|group| Alike { devices: group.devices, first: group.first.1 }).collect()
}

/// The groups of one key, and how many of them each device is in.
#[derive(Default)]
struct Places {
    groups: Vec<usize>,
    turns: HashMap<i32, usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_once_in_each_group() {
        let items = [(0, 'a'), (1, 'a'), (1, 'a'), (2, 'b'), (0, 'a'), (3, 'a')];
        let groups = alike(items, |item| item.0, |item| item.1);
        let shown: Vec<_> = groups.iter().map(|group| (group.devices.clone(), group.first.1)).collect();
        assert_eq!(shown, [(vec![0, 1, 3], 'a'), (vec![0, 1], 'a'), (vec![2], 'b')]);
    }
}
