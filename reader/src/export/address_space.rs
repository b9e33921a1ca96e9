//! From addresses within banks to one row of addresses, as PyTorch's viewer has it: each memory of each device, and each
//! allocator, is a range of its own, and all lie under 2^53, since the viewer is JavaScript.

use std::collections::BTreeMap;

/// All ranges lie below.
const END: u64 = 1 << 53;
/// Ranges begin at a multiple of this.
const ROUND: u64 = 1 << 20;

/// What lies in a range, before it is known where.
#[derive(Debug, Default)]
pub(super) struct Extents {
    /// By address within the bank: the most bytes that anything there had, and the most in a bank, where known.
    seen: BTreeMap<u64, Bytes>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bytes {
    all: u64,
    per_bank: Option<u64>,
    /// The most of those whose bytes a bank are not known.
    unknown: u64,
}

/// One range.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) length: u64,
    /// What a byte in each bank stands for: the banks, as far as they can be told.
    pub(super) banks: u64,
    layout: Layout,
    /// No size is more.
    most: u64,
}

#[derive(Debug)]
enum Layout {
    /// As in the bank, from this address on, each byte as many times as there are banks.
    Banks { from: u64 },
    /// Address by address, one after the other, where the banks' layout is not known or too wide.
    Slots(BTreeMap<u64, (u64, u64)>),
}

/// A block in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) address: u64,
    /// With what is lost by rounding.
    pub(super) length: u64,
    pub(super) size: u64,
}

impl Extents {
    pub(super) fn see(&mut self, address: u64, size: u64, per_bank: Option<u64>) {
        let bytes = self.seen.entry(address).or_default();
        bytes.all = bytes.all.max(size);
        bytes.per_bank = bytes.per_bank.max(per_bank);
        if per_bank.is_none() {
            bytes.unknown = bytes.unknown.max(size);
        }
    }

    /// Lays the range out from `start` on; `ranges` of them share the room. `live` are addresses of what may not overlap.
    pub(super) fn range(self, start: u64, ranges: u64, live: &[(u64, u64, Option<u64>)]) -> Range {
        let room = (END / ranges.max(1)).saturating_sub(2 * ROUND).max(ROUND);
        let banks = self.seen.values().filter_map(Bytes::banks).max().unwrap_or(1);
        let from = self.seen.first_key_value().map_or(0, |(&address, _)| address);
        let in_bank = |size: u64, per_bank: Option<u64>| per_bank.unwrap_or(size.div_ceil(banks)).max(1);
        let widest = |bytes: &Bytes| in_bank(0, bytes.per_bank).max(in_bank(bytes.unknown, None));
        // None where an address is too high for its bytes.
        let ends: Option<Vec<u64>> =
            self.seen.iter().map(|(&address, bytes)| address.checked_add(widest(bytes))).collect();
        let end = ends.map(|ends| ends.into_iter().max().unwrap_or(from));
        let length = end.and_then(|end| end.saturating_sub(from).checked_mul(banks));
        let mut live: Vec<(u64, u64)> =
            live.iter().map(|&(address, size, per_bank)| (address, in_bank(size, per_bank))).collect();
        live.sort_unstable();
        let overlaps = live.windows(2).any(|pair| pair[0].0.saturating_add(pair[0].1) > pair[1].0);
        if let Some(length) = length.filter(|&length| length <= room && !overlaps) {
            return Range { start, length: length.max(1), banks, layout: Layout::Banks { from }, most: room };
        }
        let most = (room / self.seen.len().max(1) as u64).max(1);
        let mut slots = BTreeMap::new();
        let mut length = 0;
        for (address, bytes) in self.seen {
            let slot = bytes.all.clamp(1, most);
            slots.insert(address, (length, slot));
            length += slot;
        }
        Range { start, length: length.max(1), banks: 1, layout: Layout::Slots(slots), most }
    }
}

impl Bytes {
    fn banks(&self) -> Option<u64> {
        self.per_bank.filter(|&bytes| bytes > 0).map(|per_bank| self.all.div_ceil(per_bank).max(1))
    }
}

impl Range {
    /// Where something that was seen lies.
    pub(super) fn block(&self, address: u64, size: u64, per_bank: Option<u64>) -> Block {
        match &self.layout {
            Layout::Banks { from } => {
                let in_bank = per_bank.unwrap_or(size.div_ceil(self.banks)).max(1);
                let length = in_bank.saturating_mul(self.banks);
                let at = address.saturating_sub(*from).saturating_mul(self.banks);
                Block { address: self.start + at, length, size: size.min(length) }
            }
            Layout::Slots(slots) => {
                let (at, _) = slots.get(&address).copied().unwrap_or_default();
                let size = size.min(self.most);
                Block { address: self.start + at, length: size.max(1), size }
            }
        }
    }

    /// Where the next range may begin.
    pub(super) fn next_start(&self) -> u64 {
        (self.start + self.length).next_multiple_of(ROUND) + ROUND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_the_banks_stay_neighbours() {
        let mut extents = Extents::default();
        let live = [(0x3FFF_F000, 24_576, Some(2048)), (0x3FFF_F800, 12_288, Some(1024))];
        live.iter().for_each(|&(address, size, per_bank)| extents.see(address, size, per_bank));
        let range = extents.range(ROUND, 2, &live);
        let first = range.block(0x3FFF_F000, 24_576, Some(2048));
        let second = range.block(0x3FFF_F800, 12_288, Some(1024));
        assert_eq!(first, Block { address: ROUND, length: 24_576, size: 24_576 });
        assert_eq!((second.address, second.size), (first.address + first.length, 12_288));
        assert_eq!((range.banks, range.length), (12, 24_576 + 12_288));
    }

    #[test]
    fn what_would_overlap_or_is_too_wide_gets_addresses_of_its_own() {
        for live in [
            vec![(0x1000, 24_576, None), (0x1800, 12_288, None)],
            vec![(0, u64::MAX, None), (u64::MAX - 1, u64::MAX, Some(1))],
            vec![(0, 0, None), (u64::MAX, 4096, Some(0))],
        ] {
            let mut extents = Extents::default();
            live.iter().for_each(|&(address, size, per_bank)| extents.see(address, size, per_bank));
            let range = extents.range(ROUND, 64, &live);
            let [first, second] = [0, 1].map(|at: usize| range.block(live[at].0, live[at].1, live[at].2));
            assert!(first.address + first.length <= second.address, "{first:?} {second:?}");
            assert!(second.address + second.length <= range.start + range.length);
            assert!(range.next_start() < END);
        }
    }
}
