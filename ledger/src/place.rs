//! What one allocator has handed out in one memory of one device.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeTuple};
use ttmem_wire::Event;

use crate::{
    address_index::{AddressIndex, Found, Hash},
    holders::{self, Further},
    packed,
    region::{Entry, Region},
    totals::RunningTotals,
};

/// So many regions lie in a processor's own cache anyway.
const IN_CACHE: usize = 4096;

/// At so many addresses one looks ahead at once.
pub(crate) const AT_ONCE: usize = 64;

/// Regions by address alone: a close takes whole tables. A region lies on a shelf, where the room that was freed last is taken
/// first, since it is still in the cache; the index says where.
#[derive(Debug, Default)]
pub(crate) struct Place {
    index: AddressIndex,
    shelf: Vec<Entry>,
    /// Entries of the shelf in which no region lives.
    vacant: Vec<u32>,
    further: Further,
}

/// What a report of an allocation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    New,
    /// It had so many bytes before.
    OneMoreHolder(u64),
    HeldAlready(u64),
}

impl Place {
    pub(crate) fn report(&mut self, event: &Event, totals: &mut RunningTotals) -> Reported {
        totals.allocations += 1;
        let address = event.address;
        let hash = self.index.hash(address);
        let Some(Found { at, .. }) = self.find(hash, address) else {
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
            self.index.insert(hash, at);
            totals.add(region.extent(), region.made_by(), region.ticks);
            return Reported::New;
        };
        let region = &mut self.shelf[at as usize].region;
        let before = region.extent();
        region.widen(event);
        totals.widen(before, region.extent(), region.made_by(), event.ticks);
        if holders::join(region, &mut self.further, address, event.holder) {
            Reported::OneMoreHolder(before.bytes)
        } else {
            Reported::HeldAlready(before.bytes)
        }
    }

    #[inline]
    fn find(&self, hash: Hash, address: u64) -> Option<Found> {
        self.index.find(hash, |at| self.shelf[at as usize].address == address)
    }

    /// A holder lets go. Returns its id, 0 if it has none, and the region if it was the last; `None` if nobody here is meant.
    pub(crate) fn free(&mut self, address: u64, id: u64, totals: &mut RunningTotals) -> Option<(u64, Option<Region>)> {
        let hash = self.index.hash(address);
        let found = self.find(hash, address)?;
        let region = &mut self.shelf[found.at as usize].region;
        let who = holders::leave(region, &mut self.further, address, id)?;
        totals.frees += 1;
        if region.holders() == 0 {
            self.index.remove(found);
            self.vacant.push(found.at);
            let region = *region;
            totals.remove(region.extent(), region.made_by());
            return Some((who, Some(region)));
        }
        Some((who, None))
    }

    /// Steps of a walk over its regions.
    pub(crate) fn walk(&self) -> usize {
        self.shelf.len()
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

    /// Says of the region that this holder holds which tensor it was made for.
    pub(crate) fn describe(&mut self, address: u64, id: u64, tensor: u32) {
        let Some(found) = self.find(self.index.hash(address), address) else { return };
        let region = &mut self.shelf[found.at as usize].region;
        if holders::holds(region, &self.further, address, id) {
            region.describe(tensor);
        }
    }

    pub(crate) fn region(&self, address: u64) -> Option<&Region> {
        let found = self.find(self.index.hash(address), address)?;
        Some(&self.shelf[found.at as usize].region)
    }

    /// Reads what events at these addresses will look at: first the index, then the shelf. No read waits for another of its
    /// turn, so the processor waits for memory twice, and not twice for each.
    pub(crate) fn look_ahead(&self, addresses: impl Iterator<Item = u64>) {
        if self.index.len() <= IN_CACHE {
            return;
        }
        let mut wanted = [0; AT_ONCE];
        let mut count = 0;
        for (wanted, address) in wanted.iter_mut().zip(addresses) {
            *wanted = address;
            count += 1;
        }
        let hashes = wanted.map(|address| self.index.hash(address));
        let mut read = self.index.read(&self.index.homes(&hashes)[..count]);
        for (&hash, &address) in hashes.iter().zip(&wanted[..count]) {
            read ^= self.find(hash, address).map_or(0, |found| found.at.into());
        }
        std::hint::black_box(read);
    }

    pub(crate) fn regions(&self) -> impl Iterator<Item = (u64, &Region)> {
        // A region that lives has a holder.
        let live = self.shelf.iter().filter(|entry| entry.region.holders() > 0);
        live.map(|entry| (entry.address, &entry.region))
    }

    /// Who holds a region of it: id (0 for none), and how many.
    pub(crate) fn owners(&self, address: u64, region: &Region) -> Vec<(u64, u32)> {
        let mut owners = Vec::new();
        holders::each(region, &self.further, address, |id, count| owners.push((id, count)));
        owners
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
        place.index.reserve(place.shelf.len());
        for (at, entry) in place.shelf.iter().enumerate() {
            let hash = place.index.hash(entry.address);
            if entry.region.holders() == 0 {
                return Err(D::Error::custom("a region that nobody holds"));
            }
            if place.find(hash, entry.address).is_some() {
                return Err(D::Error::custom("two regions at one address"));
            }
            place.index.insert(hash, at as u32);
        }
        Ok(place)
    }
}
