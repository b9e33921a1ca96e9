//! What one allocator has handed out in one memory of one device.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::BuildHasher,
};

use foldhash::fast::RandomState;
use hashbrown::{HashTable, hash_table};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeTuple};
use ttmem_wire::Event;

use crate::{
    holders::{self, Further},
    packed,
    region::{Entry, Region},
    totals::RunningTotals,
};

/// Regions by address alone: a close takes whole tables. A table of entries and not a map, since a map would lay them across
/// two cache lines each.
#[derive(Debug, Default)]
pub(crate) struct Place {
    regions: HashTable<Entry>,
    hasher: RandomState,
    further: Further,
}

/// What a report of an allocation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    New,
    OneMoreHolder,
    HeldAlready,
}

impl Place {
    pub(crate) fn report(&mut self, event: &Event, totals: &mut RunningTotals) -> Reported {
        totals.allocations += 1;
        let address = event.address;
        let hasher = &self.hasher;
        let hash = hasher.hash_one(address);
        match self.regions.entry(hash, |entry| entry.address == address, |entry| hasher.hash_one(entry.address)) {
            hash_table::Entry::Vacant(vacant) => {
                let region = Region::new(event);
                vacant.insert(Entry { address, region });
                totals.add(region.extent());
                Reported::New
            }
            hash_table::Entry::Occupied(occupied) => {
                let region = &mut occupied.into_mut().region;
                let before = region.extent();
                region.widen(event);
                totals.change(before, region.extent());
                if holders::join(region, &mut self.further, event.address, event.holder) {
                    Reported::OneMoreHolder
                } else {
                    Reported::HeldAlready
                }
            }
        }
    }

    /// A holder lets go. Returns its id, 0 if it has none, and the region if it was the last; `None` if nobody here is meant.
    pub(crate) fn free(&mut self, address: u64, id: u64, totals: &mut RunningTotals) -> Option<(u64, Option<Region>)> {
        let hash = self.hasher.hash_one(address);
        let mut occupied = self.regions.find_entry(hash, |entry| entry.address == address).ok()?;
        let region = &mut occupied.get_mut().region;
        let who = holders::leave(region, &mut self.further, address, id)?;
        totals.frees += 1;
        if region.holders() == 0 {
            let region = occupied.remove().0.region;
            totals.remove(region.extent());
            return Some((who, Some(region)));
        }
        Some((who, None))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.regions.is_empty() && self.further.is_empty()
    }

    /// Whether what was read from a file is what events can give.
    pub(crate) fn is_sound(&self) -> bool {
        self.regions().all(|(address, region)| {
            let others = self.further.get(&address);
            let fit = others.is_none_or(|ids| !ids.is_empty() && !ids.contains(&0) && !ids.contains(&region.holder));
            fit && region.holders() > 0 && others.map_or(0, BTreeSet::len) == region.further as usize
        }) && self.further.keys().all(|&address| self.region(address).is_some())
    }

    /// How well a live region fits an event: whether that holder holds it, then when it came to life.
    pub(crate) fn fit(&self, address: u64, id: u64) -> Option<(bool, u64)> {
        let region = self.region(address)?;
        Some((holders::holds(region, &self.further, address, id), region.ticks))
    }

    pub(crate) fn region(&self, address: u64) -> Option<&Region> {
        let hash = self.hasher.hash_one(address);
        self.regions.find(hash, |entry| entry.address == address).map(|entry| &entry.region)
    }

    pub(crate) fn regions(&self) -> impl Iterator<Item = (u64, &Region)> {
        self.regions.iter().map(|entry| (entry.address, &entry.region))
    }

    /// Tells `each` of every holder: address, id (0 for none), how many.
    pub(crate) fn each_holder(&self, mut each: impl FnMut(u64, u64, u32)) {
        for (address, region) in self.regions() {
            holders::each(region, &self.further, address, |id, count| each(address, id, count));
        }
    }
}

/// The regions alone, and the further holders: the table is made anew.
impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut place = serializer.serialize_tuple(2)?;
        place.serialize_element(&Regions(&self.regions))?;
        place.serialize_element(&self.further)?;
        place.end()
    }
}

struct Regions<'a>(&'a HashTable<Entry>);

impl Serialize for Regions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        packed::serialize(self.0.iter(), serializer)
    }
}

struct Entries(Vec<Entry>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        packed::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (Entries(entries), further): (Entries, BTreeMap<u64, BTreeSet<u64>>) =
            Deserialize::deserialize(deserializer)?;
        let mut place = Self { further: further.into_iter().collect(), ..Self::default() };
        let hasher = &place.hasher;
        place.regions.reserve(entries.len(), |entry| hasher.hash_one(entry.address));
        for entry in entries {
            let hash = hasher.hash_one(entry.address);
            let known = |other: &Entry| other.address == entry.address;
            match place.regions.entry(hash, known, |entry| hasher.hash_one(entry.address)) {
                hash_table::Entry::Vacant(vacant) => vacant.insert(entry),
                hash_table::Entry::Occupied(_) => return Err(D::Error::custom("two regions at one address")),
            };
        }
        Ok(place)
    }
}
