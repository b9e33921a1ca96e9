//! All places, by what events name them with.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use crate::{
    LiveRegion, State,
    by_holder::ByHolder,
    place::Place,
    region::{Key, Region},
    totals::{Extent, Sums},
};

/// Device, memory, allocator.
type Name = (i32, Memory, u32);

/// Places are found by name in a tree; events come in runs on one place, so the last one is tried first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Places {
    slots: Vec<Slot>,
    index: BTreeMap<Name, usize>,
    /// The slots of each device, in the order of names: a free may name no more than a device.
    #[serde(skip)]
    of_device: HashMap<i32, Vec<usize>, RandomState>,
    /// Slots whose place was released.
    vacant: Vec<usize>,
    #[serde(skip)]
    last: usize,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Slot {
    name: Option<Name>,
    place: Place,
    /// Where the sums of its device and memory are.
    totals: usize,
    /// Whether there is no other place on its device.
    #[serde(skip)]
    is_only: bool,
}

/// What an event names; an address may be wanted on more than one device.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) devices: RangeInclusive<i32>,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocator: Option<u32>,
    pub(crate) address: u64,
    /// The holder's id, 0 for none.
    pub(crate) id: u64,
}

impl Wanted {
    /// The key, if the event names all of it.
    fn key(&self) -> Option<Key> {
        let device = *self.devices.start();
        let (memory, allocator) = (self.memory?, self.allocator?);
        (device == *self.devices.end()).then_some(Key { address: self.address, device, memory, allocator })
    }

    pub(crate) fn fits(&self, key: &Key) -> bool {
        self.address == key.address
            && self.devices.contains(&key.device)
            && self.memory.is_none_or(|memory| memory == key.memory)
            && self.allocator.is_none_or(|allocator| allocator == key.allocator)
    }
}

fn all_on(devices: &RangeInclusive<i32>) -> RangeInclusive<Name> {
    (*devices.start(), Memory::Dram, 0)..=(*devices.end(), Memory::Unknown(u8::MAX), u32::MAX)
}

impl Places {
    /// The key's place, made if it is new, and the index of its sums.
    pub(crate) fn place(&mut self, key: &Key, sums: &mut Sums) -> (&mut Place, usize) {
        let name = (key.device, key.memory, key.allocator);
        if self.slots.get(self.last).is_none_or(|slot| slot.name != Some(name)) {
            self.last = match self.find(name) {
                Some(at) => at,
                None => self.make(name, sums),
            };
        }
        let slot = &mut self.slots[self.last];
        (&mut slot.place, slot.totals)
    }

    /// A device has a handful of places: looking through them beats the tree.
    #[inline]
    fn find(&self, name: Name) -> Option<usize> {
        let of_device = self.of_device.get(&name.0)?;
        if of_device.len() > 16 {
            return self.index.get(&name).copied();
        }
        of_device.iter().copied().find(|&at| self.slots[at].name == Some(name))
    }

    #[cold]
    fn make(&mut self, name: Name, sums: &mut Sums) -> usize {
        let at = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.slots[at] =
            Slot { name: Some(name), place: Place::default(), totals: sums.index_of(name.0, name.1), is_only: false };
        self.index.insert(name, at);
        let slots = &self.slots;
        let of_device = self.of_device.entry(name.0).or_default();
        let place = of_device.partition_point(|&other| slots[other].name < Some(name));
        of_device.insert(place, at);
        self.note_only(name.0);
        at
    }

    /// After places of a device came or went.
    fn note_only(&mut self, device: i32) {
        let Some(of_device) = self.of_device.get(&device) else { return };
        for &at in of_device {
            self.slots[at].is_only = of_device.len() == 1;
        }
    }

    /// The key's place and the index of its sums, if there is such a place.
    pub(crate) fn known(&mut self, key: &Key) -> Option<(&mut Place, usize)> {
        let name = (key.device, key.memory, key.allocator);
        if self.slots.get(self.last).is_none_or(|slot| slot.name != Some(name)) {
            self.last = self.find(name)?;
        }
        let slot = &mut self.slots[self.last];
        Some((&mut slot.place, slot.totals))
    }

    /// Looks at these addresses in the place of the last event: the next ones most often mean it too.
    pub(crate) fn look_ahead(&self, addresses: impl Iterator<Item = u64>) {
        if let Some(slot) = self.slots.get(self.last) {
            slot.place.look_ahead(addresses);
        }
    }

    /// The slots of the devices that an event may mean, in the order of names.
    fn slots_of(&self, devices: &RangeInclusive<i32>) -> Cow<'_, [usize]> {
        if devices.start() == devices.end() {
            self.of_device.get(devices.start()).map_or(Cow::Borrowed(&[]), |slots| Cow::Borrowed(slots))
        } else {
            Cow::Owned(self.index.range(all_on(devices)).map(|(_, &at)| at).collect())
        }
    }

    /// The place in a slot, with the key that the event means there, if it may mean that one.
    #[inline]
    fn fitting(&self, at: usize, wanted: &Wanted) -> Option<(Key, &Place)> {
        let slot = &self.slots[at];
        let (device, memory, allocator) = slot.name?;
        let is_meant = wanted.memory.is_none_or(|wanted| wanted == memory)
            && wanted.allocator.is_none_or(|wanted| wanted == allocator);
        is_meant.then_some((Key { address: wanted.address, device, memory, allocator }, &slot.place))
    }

    /// The live region that an event means which names no memory, device or allocator: of all that fit, one that its holder
    /// is known to hold, else the one that came to life last, since that is the one whose end is near. Ties go to the first
    /// in the order of devices, memories and allocators.
    pub(crate) fn best(&self, wanted: &Wanted) -> Option<Key> {
        self.best_in(&self.slots_of(&wanted.devices), wanted)
    }

    fn best_in(&self, slots: &[usize], wanted: &Wanted) -> Option<Key> {
        let mut best: Option<((bool, u64), Key)> = None;
        for (key, place) in slots.iter().filter_map(|&at| self.fitting(at, wanted)) {
            if let Some(fit) = place.fit(wanted.address, wanted.id)
                && best.is_none_or(|(other, _)| fit > other)
            {
                best = Some((fit, key));
            }
        }
        best.map(|(_, key)| key)
    }

    /// The same where the answer is tried at once: if it can be one only, live or not, nothing is looked up.
    pub(crate) fn best_or_only(&self, wanted: &Wanted) -> Option<Key> {
        if let Some(key) = wanted.key().or_else(|| self.last_if_only(wanted)) {
            return Some(key);
        }
        let slots = self.slots_of(&wanted.devices);
        let mut fitting = slots.iter().filter_map(|&at| self.fitting(at, wanted)).map(|(key, _)| key);
        match (fitting.next(), fitting.next()) {
            (only, None) => only,
            _ => self.best_in(&slots, wanted),
        }
    }

    /// The place of the last event, where it is its device's only one and may be meant.
    #[inline]
    fn last_if_only(&self, wanted: &Wanted) -> Option<Key> {
        let (device, ..) = self.slots.get(self.last).filter(|slot| slot.is_only)?.name?;
        if wanted.devices != (device..=device) {
            return None;
        }
        self.fitting(self.last, wanted).map(|(key, _)| key)
    }

    /// Takes out all places on a device, or those of one allocator there. Returns them in order, with the index of their
    /// sums; the key's address is left open.
    pub(crate) fn take(&mut self, device: i32, allocator: Option<u32>) -> Vec<(Key, Place, usize)> {
        let chosen = |name: &Name| allocator.is_none_or(|allocator| allocator == name.2);
        let names: Vec<Name> =
            self.index.range(all_on(&(device..=device))).map(|(&name, _)| name).filter(chosen).collect();
        let mut taken = Vec::with_capacity(names.len());
        for name in names {
            if let Some(at) = self.index.remove(&name) {
                if let Some(of_device) = self.of_device.get_mut(&device) {
                    of_device.retain(|&other| other != at);
                }
                let slot = std::mem::take(&mut self.slots[at]);
                self.vacant.push(at);
                let key = Key { address: 0, device, memory: name.1, allocator: name.2 };
                taken.push((key, slot.place, slot.totals));
            }
        }
        self.note_only(device);
        taken
    }

    fn iter(&self) -> impl Iterator<Item = (Key, &Place)> {
        self.index.iter().map(|(&(device, memory, allocator), &at)| {
            (Key { address: 0, device, memory, allocator }, &self.slots[at].place)
        })
    }

    /// All live regions, place by place.
    pub(crate) fn regions(&self) -> impl Iterator<Item = (Key, &Region)> {
        self.iter()
            .flat_map(|(key, place)| place.regions().map(move |(address, region)| (Key { address, ..key }, region)))
    }

    /// The same, each with its owners: id (0 for none), and how many.
    pub(crate) fn owned(&self) -> impl Iterator<Item = (Key, &Region, Vec<(u64, u32)>)> {
        self.iter().flat_map(|(key, place)| {
            place
                .regions()
                .map(move |(address, region)| (Key { address, ..key }, region, place.owners(address, region)))
        })
    }

    /// Steps that [`Places::regions_in`] takes.
    pub(crate) fn walk_in(&self, device: i32, memory: Memory) -> usize {
        let places = self.index.range((device, memory, 0)..=(device, memory, u32::MAX));
        places.map(|(_, &at)| self.slots[at].place.walk()).sum()
    }

    /// Those in one memory of a device.
    pub(crate) fn regions_in(&self, device: i32, memory: Memory) -> impl Iterator<Item = (Key, &Region)> {
        self.index.range((device, memory, 0)..=(device, memory, u32::MAX)).flat_map(move |(name, &at)| {
            let key = Key { address: 0, device, memory, allocator: name.2 };
            self.slots[at].place.regions().map(move |(address, region)| (Key { address, ..key }, region))
        })
    }

    /// Of these, what lies in the banks of the allocators.
    pub(crate) fn regions_in_banks(&self, device: i32, memory: Memory) -> impl Iterator<Item = (Key, &Region)> {
        self.regions_in(device, memory).filter(|(key, region)| !region.is_past_allocators(key))
    }

    /// One region, as reports show it.
    pub(crate) fn shown(
        &self,
        device: i32,
        memory: Memory,
        address: u64,
        allocator: u32,
        state: State,
    ) -> Option<LiveRegion> {
        let at = *self.index.get(&(device, memory, allocator))?;
        let region = self.slots[at].place.region(address)?;
        Some(region.shown(Key { address, device, memory, allocator }, state))
    }

    /// Whether the region lives.
    pub(crate) fn has(&self, key: &Key) -> bool {
        let at = self.index.get(&(key.device, key.memory, key.allocator));
        at.is_some_and(|&at| self.slots[at].place.region(key.address).is_some())
    }

    /// After reading from a file: what follows from the rest is not in it.
    pub(crate) fn complete(&mut self) {
        self.of_device.clear();
        for (name, &at) in &self.index {
            self.of_device.entry(name.0).or_default().push(at);
        }
        for of_device in self.of_device.values() {
            // What was read may name slots that there are not; see `are_sound`.
            if let &[only] = of_device.as_slice()
                && let Some(slot) = self.slots.get_mut(only)
            {
                slot.is_only = true;
            }
        }
    }

    /// The extents of all live regions, each with the index of its sums.
    pub(crate) fn extents_with_sums(&self) -> impl Iterator<Item = (usize, Extent)> {
        self.slots.iter().flat_map(|slot| slot.place.regions().map(|(_, region)| (slot.totals, region.extent())))
    }

    /// Whether what was read from a file is what events can give.
    pub(crate) fn are_sound(&self, sums: &Sums) -> bool {
        let is_named = |(name, &at): (&Name, &usize)| {
            let slot = self.slots.get(at);
            !name.1.is_of_programs()
                && slot.is_some_and(|slot| slot.name == Some(*name) && sums.has(name.0, name.1, slot.totals))
        };
        let mut vacant = self.vacant.clone();
        vacant.sort_unstable();
        vacant.dedup();
        let is_vacant =
            |&at: &usize| self.slots.get(at).is_some_and(|slot| slot.name.is_none() && slot.place.is_empty());
        self.index.iter().all(is_named)
            && vacant.iter().all(is_vacant)
            && self.index.len() + vacant.len() == self.slots.len()
            && vacant.len() == self.vacant.len()
            && self.slots.iter().all(|slot| slot.place.is_sound())
    }

    /// All live regions by who holds them.
    pub(crate) fn by_holder(&self) -> ByHolder {
        let mut by_holder = ByHolder::default();
        for (key, place) in self.iter() {
            place.each_holder(|address, id, _| by_holder.insert(id, Key { address, ..key }));
        }
        by_holder
    }
}
