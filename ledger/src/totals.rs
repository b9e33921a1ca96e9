//! Sums by device and memory.

use std::{
    collections::BTreeMap,
    ops::{Index, IndexMut},
};

use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use crate::peak::{MadeBy, Peak};

/// What one memory of one device holds and has seen. Bytes are on that device; "per bank" is within each of its banks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Bytes live now, each region once.
    pub live_bytes: u64,
    /// Regions (or circular buffers) live now.
    pub live_buffers: u64,
    /// Bytes live in each bank; `None` while a region lives whose bytes a bank are not known.
    pub live_bytes_per_bank: Option<u64>,
    /// The most that `live_bytes` ever was.
    pub peak_bytes: u64,
    /// The most that `live_bytes_per_bank` ever was; `None` if it was not always known.
    pub peak_bytes_per_bank: Option<u64>,
    /// Reports of an allocation, further holders included.
    pub allocations: u64,
    /// Reports of a free that let go of a holder, or of a circular buffer.
    pub frees: u64,
    /// Regions and circular buffers released by closing the device.
    pub released_at_close: u64,
}

/// The sums while they run: wide enough that no report of 2^64-1 bytes can wrap them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RunningTotals {
    pub(crate) bytes: u128,
    pub(crate) bytes_per_bank: u128,
    pub(crate) regions: u64,
    pub(crate) regions_without_banks: u64,
    /// The peaks of the segment since a window was opened or closed last, see [`crate::windows`].
    pub(crate) peak_bytes: u128,
    pub(crate) peak_bytes_per_bank: u128,
    pub(crate) banks_were_unknown: bool,
    pub(crate) allocations: u64,
    pub(crate) frees: u64,
    pub(crate) released_at_close: u64,
    /// The most of all segments, this one included.
    highest_bytes: u128,
    /// The same of all segments before.
    earlier_peak_bytes_per_bank: u128,
    banks_were_unknown_earlier: bool,
    /// What made `highest_bytes`. Not of circular buffers.
    pub(crate) peak: Peak,
}

/// The sums of all devices and memories. The index of one stays the same, so that who adds often need not look it up.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    all: Vec<RunningTotals>,
    index: BTreeMap<(i32, Memory), usize>,
}

impl Sums {
    /// Where the sums of a memory are; they are made if they are new.
    pub(crate) fn index_of(&mut self, device: i32, memory: Memory) -> usize {
        *self.index.entry((device, memory)).or_insert_with(|| {
            self.all.push(RunningTotals::default());
            self.all.len() - 1
        })
    }

    pub(crate) fn known(&self, device: i32, memory: Memory) -> Option<&RunningTotals> {
        self.index.get(&(device, memory)).map(|&at| &self.all[at])
    }

    /// Whether the sums of a memory are at this index.
    pub(crate) fn has(&self, device: i32, memory: Memory, at: usize) -> bool {
        self.index.get(&(device, memory)) == Some(&at)
    }

    /// Regions and circular buffers that are live.
    pub(crate) fn live(&self) -> u64 {
        self.all.iter().fold(0, |sum, totals| sum.saturating_add(totals.regions))
    }

    /// Regions and circular buffers that are live on a device.
    pub(crate) fn live_on(&self, device: i32) -> u64 {
        self.of_device(device).fold(0, |sum, totals| sum.saturating_add(totals.regions))
    }

    fn of_device(&self, device: i32) -> impl Iterator<Item = &RunningTotals> {
        let all = (device, Memory::Dram)..=(device, Memory::Unknown(u8::MAX));
        self.index.range(all).map(|(_, &at)| &self.all[at])
    }

    /// Reports of allocations on a device so far.
    pub(crate) fn allocations(&self, device: i32) -> u64 {
        self.of_device(device).map(|totals| totals.allocations).sum()
    }

    /// Which device and memory each index means, and how many bytes are live there: in the order of the index.
    pub(crate) fn keys(&self) -> Vec<(i32, Memory)> {
        let mut keys: Vec<_> = self.index.iter().map(|(&key, &at)| (at, key)).collect();
        keys.sort_unstable_by_key(|&(at, _)| at);
        keys.into_iter().map(|(_, key)| key).collect()
    }

    pub(crate) fn live_bytes(&self) -> impl Iterator<Item = u64> {
        self.all.iter().map(|totals| narrow(totals.bytes))
    }

    /// By their index.
    pub(crate) fn all_mut(&mut self) -> &mut [RunningTotals] {
        &mut self.all
    }

    /// The index of each, by device, then memory.
    pub(crate) fn indices(&self) -> impl Iterator<Item = (i32, Memory, usize)> {
        self.index.iter().map(|(&(device, memory), &at)| (device, memory, at))
    }

    /// By device, then memory.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i32, Memory, &RunningTotals)> {
        self.index.iter().map(|(&(device, memory), &at)| (device, memory, &self.all[at]))
    }
}

impl Sums {
    /// Whether sums that were read from a file are what events can give. `extents` are those of all that is live but
    /// program memory, each with the index of its sums.
    pub(crate) fn are_sound(&self, extents: impl Iterator<Item = (usize, Extent)>) -> bool {
        let mut live = vec![RunningTotals::default(); self.all.len()];
        for (at, extent) in extents {
            let Some(totals) = live.get_mut(at) else { return false };
            totals.regions += 1;
            totals.add_extent(extent, 0);
        }
        let mut pointed_at = vec![false; self.all.len()];
        self.index.len() == self.all.len()
            && self.index.iter().all(|(&(_, memory), &at)| {
                let is_new = pointed_at.get_mut(at).is_some_and(|seen| !std::mem::replace(seen, true));
                is_new && self.all[at].is_sound(&live[at], memory.is_of_programs())
            })
    }
}

impl Index<usize> for Sums {
    type Output = RunningTotals;
    fn index(&self, at: usize) -> &RunningTotals {
        &self.all[at]
    }
}

impl IndexMut<usize> for Sums {
    fn index_mut(&mut self, at: usize) -> &mut RunningTotals {
        &mut self.all[at]
    }
}

/// Bytes of one region as the sums see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) bytes: u64,
    pub(crate) per_bank: Option<u64>,
}

impl RunningTotals {
    pub(crate) fn add(&mut self, extent: Extent, by: MadeBy, ticks: u64) {
        self.regions += 1;
        if !self.add_extent(extent, ticks) {
            self.peak.came(by, extent.bytes);
        }
    }

    pub(crate) fn remove(&mut self, extent: Extent, by: MadeBy) {
        self.regions -= 1;
        self.remove_extent(extent);
        self.peak.went(by, extent.bytes);
    }

    /// A region that lives on with no fewer bytes.
    pub(crate) fn widen(&mut self, before: Extent, after: Extent, by: MadeBy, ticks: u64) {
        self.remove_extent(before);
        if !self.add_extent(after, ticks) && before.bytes != after.bytes {
            self.peak.went(by, before.bytes);
            self.peak.came(by, after.bytes);
        }
    }

    /// For memory whose bytes are not the sum of its regions.
    pub(crate) fn set(&mut self, regions: u64, bytes: u128) {
        self.regions = regions;
        self.bytes = bytes;
        self.bytes_per_bank = bytes;
        self.peak_bytes = self.peak_bytes.max(bytes);
        self.peak_bytes_per_bank = self.peak_bytes_per_bank.max(bytes);
        self.highest_bytes = self.highest_bytes.max(bytes);
    }

    /// Returns whether more bytes are live than ever before.
    fn add_extent(&mut self, extent: Extent, ticks: u64) -> bool {
        self.bytes += u128::from(extent.bytes);
        match extent.per_bank {
            Some(bytes) => self.bytes_per_bank += u128::from(bytes),
            None => {
                self.regions_without_banks += 1;
                self.banks_were_unknown = true;
            }
        }
        self.peak_bytes_per_bank = self.peak_bytes_per_bank.max(self.bytes_per_bank);
        if self.bytes <= self.peak_bytes {
            return false;
        }
        self.peak_bytes = self.bytes;
        if self.bytes <= self.highest_bytes {
            return false;
        }
        self.highest_bytes = self.bytes;
        self.peak.rise(ticks);
        true
    }

    fn remove_extent(&mut self, extent: Extent) {
        self.bytes -= u128::from(extent.bytes);
        match extent.per_bank {
            Some(bytes) => self.bytes_per_bank -= u128::from(bytes),
            None => self.regions_without_banks -= 1,
        }
    }

    fn is_sound(&self, live: &Self, is_union: bool) -> bool {
        let of_regions = |sums: &Self| (sums.bytes, sums.bytes_per_bank, sums.regions, sums.regions_without_banks);
        (is_union || of_regions(self) == of_regions(live) && self.peak.is_sound(self.bytes, self.highest_bytes))
            && self.peak_bytes <= self.highest_bytes
            && [self.allocations, self.frees, self.released_at_close].into_iter().all(is_count)
    }

    /// Peaks are counted anew from here; those of before stay known.
    pub(crate) fn begin_segment(&mut self) {
        self.earlier_peak_bytes_per_bank = self.earlier_peak_bytes_per_bank.max(self.peak_bytes_per_bank);
        self.banks_were_unknown_earlier |= self.banks_were_unknown;
        self.peak_bytes = self.bytes;
        self.peak_bytes_per_bank = self.bytes_per_bank;
        self.banks_were_unknown = self.regions_without_banks > 0;
    }

    pub(crate) fn shown(&self) -> Totals {
        let banks_were_unknown = self.banks_were_unknown || self.banks_were_unknown_earlier;
        let peak_bytes_per_bank = self.peak_bytes_per_bank.max(self.earlier_peak_bytes_per_bank);
        Totals {
            live_bytes: narrow(self.bytes),
            live_buffers: self.regions,
            live_bytes_per_bank: (self.regions_without_banks == 0).then(|| narrow(self.bytes_per_bank)),
            peak_bytes: narrow(self.highest_bytes),
            peak_bytes_per_bank: (!banks_were_unknown).then(|| narrow(peak_bytes_per_bank)),
            allocations: self.allocations,
            frees: self.frees,
            released_at_close: self.released_at_close,
        }
    }
}

/// Whether a number that was read from a file can have been counted: far from where it would wrap.
pub(crate) fn is_count(number: u64) -> bool {
    number < 1 << 62
}

/// A sum as reports have it: one that does not fit is [`u64::MAX`].
pub fn narrow(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
