//! Who held what a close released: their frees may still come, and are expected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use crate::{by_holder::ByHolder, places::Wanted, region::Key};

/// When more than this is remembered, earlier closes are forgotten. A program that closes and opens for days must not grow
/// the ledger.
const MAX_REMEMBERED: usize = 1 << 18;

/// Holders of released regions that have not reported their free. An address is forgotten when it serves again; an id is
/// not, since ids never serve again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Closed {
    /// How many holders of an id, 0 for none, each region had.
    holders: BTreeMap<(Key, u64), u32>,
    by_id: ByHolder,
}

impl Closed {
    /// Whether what was read from a file is what events can give.
    pub(crate) fn is_sound(&self) -> bool {
        self.holders.values().all(|&count| count > 0)
    }

    fn remembered(&self) -> usize {
        self.holders.len().max(self.by_id.len())
    }

    /// Called before the regions of one close are remembered.
    pub(crate) fn begin(&mut self) {
        if self.remembered() >= MAX_REMEMBERED {
            *self = Self::default();
        }
    }

    pub(crate) fn remember(&mut self, key: Key, id: u64, count: u32) {
        // One close of more than that is remembered in part: frees of the rest will be called unmatched.
        if self.remembered() < 2 * MAX_REMEMBERED {
            self.holders.insert((key, id), count);
            self.by_id.insert(id, key);
        }
    }

    /// The address serves again: a free of it that gives no id means the new region.
    pub(crate) fn reused(&mut self, key: Key) {
        if self.holders.is_empty() {
            return;
        }
        while let Some((&of_old, _)) = self.holders.range((key, 0)..=(key, u64::MAX)).next() {
            self.holders.remove(&of_old);
        }
    }

    /// True if a free comes from somebody who held a released region; who is meant is decided as for live ones, see
    /// [`crate::holders::leave`].
    pub(crate) fn expects(&mut self, wanted: &Wanted) -> bool {
        let known = self.by_id.held(wanted.id, &wanted.devices).next();
        if let Some(key) = known {
            self.forget(key, wanted.id);
            return true;
        }
        let first =
            Key { address: wanted.address, device: *wanted.devices.start(), memory: Memory::Dram, allocator: 0 };
        let last =
            Key { device: *wanted.devices.end(), memory: Memory::Unknown(u8::MAX), allocator: u32::MAX, ..first };
        let mut fit = self.holders.range((first, 0)..=(last, u64::MAX)).map(|(&holder, _)| holder);
        let Some((key, id)) = fit.find(|(key, _)| wanted.fits(key)) else { return false };
        let all_anonymous = || self.holders.range((key, 1)..=(key, u64::MAX)).next().is_none();
        let expected = wanted.id == 0 || all_anonymous();
        if expected {
            self.forget(key, id);
        }
        expected
    }

    /// The same for a free that names no address: how many regions its holder had.
    pub(crate) fn expects_by_id(&mut self, wanted: &Wanted) -> u64 {
        let held: Vec<Key> = self.by_id.held(wanted.id, &wanted.devices).collect();
        held.iter().for_each(|&key| self.forget(key, wanted.id));
        held.len() as u64
    }

    fn forget(&mut self, key: Key, id: u64) {
        self.by_id.remove(id, key);
        if let Some(count) = self.holders.get_mut(&(key, id)) {
            *count -= 1;
            if *count == 0 {
                self.holders.remove(&(key, id));
            }
        }
    }
}
