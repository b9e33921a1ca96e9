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

/// So many regions lie in a processor's own cache anyway.
const IN_CACHE: usize = 4096;

/// Regions by address alone: a close takes whole tables. The table has addresses only, so that it stays small; a region lies
/// in a shelf, where what was freed last is taken first, since it is still in the cache.
#[derive(Debug, Default)]
pub(crate) struct Place {
    index: HashTable<Indexed>,
    shelf: Vec<Entry>,
    /// Entries of the shelf in which no region lives.
    vacant: Vec<u32>,
    hasher: RandomState,
    further: Further,
}

/// Where on the shelf the region at an address lies.
#[derive(Clone, Copy, Debug)]
struct Indexed {
    address: u64,
    at: u32,
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
        match self.index.entry(hash, |entry| entry.address == address, |entry| hasher.hash_one(entry.address)) {
            hash_table::Entry::Vacant(vacant) => {
                let region = Region::new(event);
                let entry = Entry { address, region };
                let at = match self.vacant.pop() {
                    Some(at) => {
                        self.shelf[at as usize] = entry;
                        at
                    }
                    None => {
                        self.shelf.push(entry);
                        // 2^32 regions would be 256 GiB of them.
                        (self.shelf.len() - 1) as u32
                    }
                };
                vacant.insert(Indexed { address, at });
                totals.add(region.extent());
                Reported::New
            }
            hash_table::Entry::Occupied(occupied) => {
                let region = &mut self.shelf[occupied.get().at as usize].region;
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
        let occupied = self.index.find_entry(hash, |entry| entry.address == address).ok()?;
        let at = occupied.get().at;
        let region = &mut self.shelf[at as usize].region;
        let who = holders::leave(region, &mut self.further, address, id)?;
        totals.frees += 1;
        if region.holders() == 0 {
            occupied.remove();
            self.vacant.push(at);
            let region = *region;
            totals.remove(region.extent());
            return Some((who, Some(region)));
        }
        Some((who, None))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty() && self.further.is_empty()
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
        let found = self.index.find(hash, |entry| entry.address == address)?;
        Some(&self.shelf[found.at as usize].region)
    }

    /// Reads the regions at these addresses. The reads depend on nothing, so the processor waits for all of them together.
    pub(crate) fn look_ahead(&self, addresses: impl Iterator<Item = u64>) {
        if self.index.len() > IN_CACHE {
            let ticks = addresses.filter_map(|address| self.region(address)).fold(0, |all, region| all ^ region.ticks);
            std::hint::black_box(ticks);
        }
    }

    pub(crate) fn regions(&self) -> impl Iterator<Item = (u64, &Region)> {
        // A region that lives has a holder.
        let live = self.shelf.iter().filter(|entry| entry.region.holders() > 0);
        live.map(|entry| (entry.address, &entry.region))
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
        place.serialize_element(&Regions(self))?;
        place.serialize_element(&self.further)?;
        place.end()
    }
}

struct Regions<'a>(&'a Place);

impl Serialize for Regions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        packed::serialize(self.0.index.len(), self.0.regions(), serializer)
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
        let (Entries(shelf), further): (Entries, BTreeMap<u64, BTreeSet<u64>>) =
            Deserialize::deserialize(deserializer)?;
        let mut place = Self { shelf, further: further.into_iter().collect(), ..Self::default() };
        let hasher = &place.hasher;
        place.index.reserve(place.shelf.len(), |entry| hasher.hash_one(entry.address));
        for (at, Entry { address, region }) in place.shelf.iter().enumerate() {
            let address = *address;
            let known = |other: &Indexed| other.address == address;
            match place.index.entry(hasher.hash_one(address), known, |entry| hasher.hash_one(entry.address)) {
                hash_table::Entry::Vacant(vacant) if region.holders() > 0 => {
                    vacant.insert(Indexed { address, at: at as u32 });
                }
                hash_table::Entry::Vacant(_) => return Err(D::Error::custom("a region that nobody holds")),
                hash_table::Entry::Occupied(_) => return Err(D::Error::custom("two regions at one address")),
            }
        }
        Ok(place)
    }
}
