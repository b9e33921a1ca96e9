//! Devices that have seen the same events have one state. On a mesh that is all of them, and an event is applied once, not
//! 32 times; a device that sees something of its own gets a copy.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A state that several devices may have.
pub(crate) trait State: Clone + Default {
    /// Whether devices that differ so far may go on with one state from here: nothing is left of what was different.
    fn equals(&self, other: &Self) -> bool;
}

/// A device in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) device: i32,
    /// The index of the device's sums, once it was asked for.
    pub(crate) sums: Option<usize>,
}

impl From<i32> for Member {
    fn from(device: i32) -> Self {
        Self { device, sums: None }
    }
}

/// Devices with one state.
#[derive(Debug)]
pub(crate) struct Group<T> {
    /// In ascending order, one at least.
    pub(crate) members: Vec<Member>,
    pub(crate) state: T,
}

/// All devices that were ever named.
#[derive(Debug, Default)]
pub(crate) struct Groups<T> {
    groups: Vec<Group<T>>,
    of_device: BTreeMap<i32, usize>,
    /// The group that an event meant last: the next most often means it too.
    last: usize,
    /// Those that an event means, while it is looked for them.
    chosen: Vec<usize>,
}

impl<T: State> Groups<T> {
    /// Calls `each` with groups that together are exactly these devices.
    pub(crate) fn each_of(&mut self, devices: &[i32], mut each: impl FnMut(&mut Group<T>)) {
        let of_first = || devices.first().and_then(|first| self.of_device.get(first)).copied();
        let is_meant = |at: &usize| self.groups.get(*at).is_some_and(|group| is_of(group, devices));
        if let Some(at) = Some(self.last).filter(is_meant).or_else(|| of_first().filter(is_meant)) {
            self.last = at;
            return each(&mut self.groups[at]);
        }
        self.choose(devices);
        for &at in &self.chosen {
            each(&mut self.groups[at]);
        }
        self.last = self.chosen.first().copied().unwrap_or(0);
    }

    /// Gives one device another state, made of the one that it has with others.
    pub(crate) fn replace(&mut self, device: i32, with: impl FnOnce(Member, &T) -> T) {
        let Some(&at) = self.of_device.get(&device) else { return };
        let group = &mut self.groups[at];
        let Some(place) = group.members.iter().position(|member| member.device == device) else { return };
        let state = with(group.members[place], &group.state);
        if group.members.len() == 1 {
            group.state = state;
        } else {
            let member = group.members.remove(place);
            self.add(Group { members: vec![member], state });
        }
    }

    /// Finds out which groups these devices are, and makes them so: groups of which they are a part are divided, and those
    /// that are equal become one.
    #[cold]
    fn choose(&mut self, devices: &[i32]) {
        self.chosen.clear();
        let mut parts: BTreeMap<Option<usize>, Vec<Member>> = BTreeMap::new();
        // A pool that was read from a file may name them in any order, and twice.
        for device in devices.iter().copied().collect::<BTreeSet<_>>() {
            let at = self.of_device.get(&device).copied();
            let known = at.and_then(|at| self.groups[at].members.iter().find(|member| member.device == device));
            parts.entry(at).or_default().push(known.copied().unwrap_or(device.into()));
        }
        for (at, members) in parts {
            let at = match at {
                Some(at) if self.groups[at].members.len() == members.len() => at,
                Some(at) => {
                    let group = &mut self.groups[at];
                    group.members.retain(|member| members.iter().all(|part| part.device != member.device));
                    let state = group.state.clone();
                    self.add(Group { members, state })
                }
                None => self.add(Group { members, state: T::default() }),
            };
            self.chosen.push(at);
        }
        self.join();
    }

    /// Makes one of those chosen groups that are equal.
    fn join(&mut self) {
        let mut at = 0;
        while at < self.chosen.len() {
            let into = self.chosen[at];
            let state = &self.groups[into].state;
            let equal = (at + 1..self.chosen.len()).find(|&other| state.equals(&self.groups[self.chosen[other]].state));
            match equal {
                Some(other) => {
                    let gone = self.chosen.swap_remove(other);
                    let members = std::mem::take(&mut self.groups[gone].members);
                    let group = &mut self.groups[into];
                    group.members.extend(members);
                    group.members.sort_unstable_by_key(|member| member.device);
                    self.name(into);
                    self.remove(gone);
                }
                None => at += 1,
            }
        }
    }

    fn add(&mut self, group: Group<T>) -> usize {
        self.groups.push(group);
        let at = self.groups.len() - 1;
        self.name(at);
        at
    }

    /// Takes a group out that has no members; the last one takes its place.
    fn remove(&mut self, gone: usize) {
        self.groups.swap_remove(gone);
        let moved = self.groups.len();
        if gone < moved {
            self.name(gone);
            self.chosen.iter_mut().filter(|at| **at == moved).for_each(|at| *at = gone);
        }
    }

    /// Notes where the members of a group are.
    fn name(&mut self, at: usize) {
        self.of_device.extend(self.groups[at].members.iter().map(|member| (member.device, at)));
    }
}

impl<T> Groups<T> {
    /// All devices with their state, in ascending order.
    pub(crate) fn devices(&self) -> impl Iterator<Item = (i32, &T)> {
        self.of_device.iter().map(|(&device, &at)| (device, &self.groups[at].state))
    }

    pub(crate) fn get(&self, device: i32) -> Option<&T> {
        self.of_device.get(&device).map(|&at| &self.groups[at].state)
    }

    /// All groups: their devices in ascending order, and the state.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (Vec<i32>, &T)> {
        self.groups.iter().map(|group| (group.members.iter().map(|member| member.device).collect(), &group.state))
    }

    /// All groups.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Group<T>> {
        self.groups.iter_mut()
    }
}

/// Whether a group has exactly these devices.
fn is_of<T>(group: &Group<T>, devices: &[i32]) -> bool {
    group.members.len() == devices.len() && group.members.iter().zip(devices).all(|(it, &device)| it.device == device)
}

/// The groups alone: devices, and their state.
impl<T: Serialize> Serialize for Groups<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.groups())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Groups<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let saved = Vec::<(Vec<i32>, T)>::deserialize(deserializer)?;
        let mut groups = Self { groups: Vec::new(), of_device: BTreeMap::new(), last: 0, chosen: Vec::new() };
        for (at, (devices, state)) in saved.into_iter().enumerate() {
            let is_in_order = devices.windows(2).all(|pair| pair[0] < pair[1]);
            let is_new = devices.iter().all(|&device| groups.of_device.insert(device, at).is_none());
            if devices.is_empty() || !is_in_order || !is_new {
                return Err(serde::de::Error::custom("devices that are in no group, or in two"));
            }
            groups.groups.push(Group { members: devices.into_iter().map(Member::from).collect(), state });
        }
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All that a device has seen since it was last cleared.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Seen(Vec<u32>);

    impl State for Seen {
        fn equals(&self, other: &Self) -> bool {
            self.0.is_empty() && other.0.is_empty()
        }
    }

    #[test]
    fn a_mesh_is_one_group_until_a_device_sees_something_of_its_own() {
        let mut groups = Groups::<Seen>::default();
        let mesh = [0, 1, 2, 3];
        let mut calls = |devices: &[i32], event: Option<u32>| {
            let mut calls = 0;
            groups.each_of(devices, |group| {
                calls += 1;
                match event {
                    Some(event) => group.state.0.push(event),
                    None => group.state.0.clear(),
                }
            });
            calls
        };
        assert_eq!((calls(&mesh, Some(1)), calls(&mesh, Some(2))), (1, 1));
        assert_eq!((calls(&[2], Some(3)), calls(&mesh, Some(4))), (1, 2), "it goes its own way");
        assert_eq!((calls(&mesh, None), calls(&mesh, Some(5))), (2, 1), "until nothing is left of it");
    }

    proptest! {
        #[test]
        fn each_device_has_what_it_would_have_alone(
            events in prop::collection::vec((prop::collection::btree_set(-2_i32..6, 1..8), 0_u32..4, 0_u8..8), 0..80)
        ) {
            let mut groups = Groups::<Seen>::default();
            let mut alone = BTreeMap::<i32, Seen>::new();
            for (devices, number, what) in events {
                let devices: Vec<i32> = devices.into_iter().collect();
                match what {
                    0 => {
                        groups.replace(devices[0], |_, _| Seen(vec![number]));
                        if let Some(seen) = alone.get_mut(&devices[0]) {
                            *seen = Seen(vec![number]);
                        }
                    }
                    1 => {
                        groups.each_of(&devices, |group| group.state.0.clear());
                        devices.iter().for_each(|&device| alone.entry(device).or_default().0.clear());
                    }
                    2 => {
                        let saved = postcard::to_allocvec(
                            &groups.groups.iter().map(|it| (&it.members, &it.state)).map(|(members, state)| {
                                (members.iter().map(|it| it.device).collect::<Vec<_>>(), state.0.clone())
                            }).collect::<Vec<_>>(),
                        ).unwrap();
                        let read: Groups<Vec<u32>> = postcard::from_bytes(&saved).unwrap();
                        prop_assert!(read.devices().map(|(device, seen)| (device, Seen(seen.clone()))).eq(alone.clone()));
                    }
                    _ => {
                        let mut met = Vec::new();
                        groups.each_of(&devices, |group| {
                            group.state.0.push(number);
                            met.extend(group.members.iter().map(|member| member.device));
                        });
                        met.sort_unstable();
                        prop_assert_eq!(&met, &devices, "each once");
                        devices.iter().for_each(|&device| alone.entry(device).or_default().0.push(number));
                    }
                }
                prop_assert!(groups.devices().map(|(device, seen)| (device, seen.clone())).eq(alone.clone()));
                for (at, group) in groups.groups.iter().enumerate() {
                    prop_assert!(!group.members.is_empty() && group.members.is_sorted_by_key(|member| member.device));
                    prop_assert!(group.members.iter().all(|member| groups.of_device[&member.device] == at));
                }
            }
        }
    }
}
