//! The table of live regions and who holds them.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use ttmem_wire::{Event, Memory};

use crate::{
    region::{Key, Region},
    totals::Extent,
};

type Map<V> = HashMap<Key, V, RandomState>;

/// Live regions by device, memory and address.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    live: Map<Region>,
    /// Holder ids beyond the one in the region itself.
    further_holders: Map<Vec<u64>>,
    /// Holders of regions that were released at close and may still report their frees.
    released: Map<u32>,
    /// Where regions ever were: for frees that name no device or no memory.
    places: BTreeSet<(i32, Memory, u32)>,
}

/// What a report of an allocation did.
pub(crate) enum Reported {
    New(Extent),
    OneMoreHolder { before: Extent, after: Extent, holder_was_known: bool },
}

/// What a report of a free did.
pub(crate) enum LetGo {
    /// The last holder: the region is free.
    Last(Extent),
    /// Others hold it.
    OneOfSeveral,
    /// Its device was closed before.
    AfterClose,
    /// It matched nothing.
    Unmatched,
}

impl Regions {
    pub(crate) fn report(&mut self, key: Key, event: &Event) -> Reported {
        let mut is_new = false;
        let region = self.live.entry(key).or_insert_with(|| {
            is_new = true;
            Region::new(event)
        });
        let before = region.extent();
        let mut holder_was_known = false;
        if event.holder == 0 {
            region.anonymous = region.anonymous.saturating_add(1);
        } else if region.identified == 0 {
            region.holder = event.holder;
            region.identified = 1;
        } else {
            let further = self.further_holders.entry(key).or_default();
            holder_was_known = region.holder == event.holder || further.contains(&event.holder);
            if !holder_was_known {
                further.push(event.holder);
                region.identified += 1;
            } else if further.is_empty() {
                self.further_holders.remove(&key);
            }
        }
        // The same holder again is no further report of the bytes: nobody will free it twice.
        region.reports = region.reports.saturating_add(u32::from(!holder_was_known));
        if is_new {
            self.released.remove(&key);
            self.places.insert((key.device, key.memory, key.allocator));
            return Reported::New(before);
        }
        region.widen(event);
        Reported::OneMoreHolder { before, after: region.extent(), holder_was_known }
    }

    pub(crate) fn let_go(&mut self, key: Key, holder: u64) -> LetGo {
        let Some(region) = self.live.get_mut(&key) else { return self.let_go_released(key) };
        if !release_holder(region, &mut self.further_holders, key, holder) {
            return LetGo::Unmatched;
        }
        if region.holders() > 0 {
            return LetGo::OneOfSeveral;
        }
        let extent = region.extent();
        self.live.remove(&key);
        LetGo::Last(extent)
    }

    fn let_go_released(&mut self, key: Key) -> LetGo {
        let Some(holders) = self.released.get_mut(&key) else { return LetGo::Unmatched };
        *holders -= 1;
        if *holders == 0 {
            self.released.remove(&key);
        }
        LetGo::AfterClose
    }

    /// The live region that an event means which names no memory, device or allocator: of all that fit the one that came to
    /// life last, since that is the one whose end is near. Ties go to the first in the order of devices, memories and
    /// allocators. If none is live, one that was released and still has holders.
    pub(crate) fn find(&self, device: Option<i32>, memory: Option<Memory>, address: u64) -> Option<Key> {
        let fits = |&&(on, of, _): &&(i32, Memory, u32)| {
            device.is_none_or(|device| device == on) && memory.is_none_or(|memory| memory == of)
        };
        let keys = || {
            let key = |&(device, memory, allocator)| Key { address, device, allocator, memory };
            self.places.iter().filter(fits).map(key)
        };
        keys()
            .filter_map(|key| Some((self.live.get(&key)?.ticks, key)))
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, key)| key)
            .or_else(|| keys().find(|key| self.released.contains_key(key)))
    }

    /// Takes out all that `chosen` says and remembers that their holders may report frees later.
    pub(crate) fn release(&mut self, chosen: impl Fn(&Key) -> bool) -> Vec<(Key, Region)> {
        let mut taken: Vec<(Key, Region)> = self.live.extract_if(|key, _| chosen(key)).collect();
        for (key, region) in &taken {
            self.further_holders.remove(key);
            self.released.insert(*key, region.holders());
        }
        taken.sort_unstable_by_key(|(key, _)| (key.device, key.memory, key.address, key.allocator));
        taken
    }

    pub(crate) fn is_live(&self, key: &Key) -> bool {
        self.live.contains_key(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Region)> {
        self.live.iter()
    }
}

/// Lets one holder go; false if the region has none that fits. A free without an id fits any holder, one with an id its
/// own holder, or one that was reported without.
fn release_holder(region: &mut Region, further: &mut Map<Vec<u64>>, key: Key, holder: u64) -> bool {
    let mut take_further = |wanted: Option<u64>| {
        let ids = further.get_mut(&key)?;
        let at = wanted.map_or(Some(ids.len() - 1), |id| ids.iter().position(|&known| known == id))?;
        let id = ids.swap_remove(at);
        if ids.is_empty() {
            further.remove(&key);
        }
        Some(id)
    };
    if holder != 0 && region.identified > 0 {
        if region.holder == holder {
            region.holder = take_further(None).unwrap_or(0);
            region.identified -= 1;
            return true;
        }
        if take_further(Some(holder)).is_some() {
            region.identified -= 1;
            return true;
        }
    }
    if region.anonymous > 0 {
        region.anonymous -= 1;
        return true;
    }
    if holder != 0 {
        return false;
    }
    region.holder = take_further(None).unwrap_or(if region.identified > 1 { region.holder } else { 0 });
    region.identified -= 1;
    true
}
