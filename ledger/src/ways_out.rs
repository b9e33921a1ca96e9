//! Which allocations stand between free blocks: those whose release would make a block that is large enough, cheapest first.

use std::{cmp::Reverse, ops::Range};

use serde::{Deserialize, Serialize};

use crate::{FreeList, LiveRegion, free_list::taken};

/// Ways that are found at most; no two release the same allocation.
const WAYS: usize = 2;
/// Allocations of a way that are kept, largest first.
const LISTED: usize = 8;

/// Allocations that all have to go for one free block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WayOut {
    /// The address of the block that would be free.
    pub address: u64,
    /// Its bytes.
    pub block: u64,
    /// Bytes of each bank that are released for it.
    pub released_per_bank: u64,
    /// How many allocations.
    pub allocations: u64,
    /// The first eight of them, largest first.
    pub released: Vec<LiveRegion>,
}

/// Allocations that overlap each other, and nothing else: they go together.
struct Cluster<'a> {
    range: Range<u64>,
    members: Vec<&'a LiveRegion>,
    per_bank: u64,
}

impl FreeList {
    /// The cheapest ways to a free block of so many bytes, by the bytes that are released; none where there is such a block, or
    /// the bank is too small. `live` is all that is live in this memory.
    pub fn ways_out(&self, live: &[LiveRegion], wanted: u64) -> Vec<WayOut> {
        if self.largest_block() >= wanted {
            return Vec::new();
        }
        let clusters = self.clusters(live);
        let mut ways = windows(&clusters, wanted, self.bank.base, self.bank.end());
        ways.sort_unstable_by_key(|way| (way.cost, way.allocations, Reverse(way.block.start)));
        let mut chosen: Vec<Window> = Vec::new();
        for way in ways {
            if chosen.len() < WAYS
                && chosen
                    .iter()
                    .all(|other| way.clusters.end <= other.clusters.start || way.clusters.start >= other.clusters.end)
            {
                chosen.push(way);
            }
        }
        chosen.into_iter().map(|way| way.shown(&clusters)).collect()
    }

    fn clusters<'a>(&self, live: &'a [LiveRegion]) -> Vec<Cluster<'a>> {
        let within = |range: &Range<u64>| range.start < self.bank.end() && range.end > self.bank.base;
        let mut all: Vec<(Range<u64>, &LiveRegion)> = live
            .iter()
            .filter_map(|one| Some((taken(one).filter(|range| !range.is_empty() && within(range))?, one)))
            .collect();
        all.sort_by_key(|(range, _)| range.start);
        let mut clusters: Vec<Cluster<'a>> = Vec::new();
        for (range, one) in all {
            let per_bank = range.end - range.start;
            match clusters.last_mut().filter(|last| range.start < last.range.end) {
                Some(last) => {
                    last.range.end = last.range.end.max(range.end);
                    last.members.push(one);
                    last.per_bank = last.per_bank.saturating_add(per_bank);
                }
                None => clusters.push(Cluster { range, members: vec![one], per_bank }),
            }
        }
        clusters
    }
}

/// Neighbours that go, and the block that they leave.
struct Window {
    clusters: Range<usize>,
    block: Range<u64>,
    cost: u64,
    allocations: u64,
}

/// From each cluster on, as few neighbours as make a block that is large enough.
fn windows(clusters: &[Cluster<'_>], wanted: u64, base: u64, end: u64) -> Vec<Window> {
    let mut windows = Vec::new();
    let (mut last, mut cost, mut allocations) = (0, 0_u64, 0_u64);
    for first in 0..clusters.len() {
        let start = if first == 0 { base } else { clusters[first - 1].range.end };
        let behind = |last: usize| clusters.get(last).map_or(end, |cluster| cluster.range.start);
        while last < clusters.len() && (last == first || behind(last).saturating_sub(start) < wanted) {
            cost = cost.saturating_add(clusters[last].per_bank);
            allocations += clusters[last].members.len() as u64;
            last += 1;
        }
        if behind(last).saturating_sub(start) < wanted {
            // Nor does any that begins further up.
            break;
        }
        windows.push(Window { clusters: first..last, block: start..behind(last), cost, allocations });
        cost = cost.saturating_sub(clusters[first].per_bank);
        allocations -= clusters[first].members.len() as u64;
    }
    windows
}

impl Window {
    fn shown(self, clusters: &[Cluster<'_>]) -> WayOut {
        let mut released: Vec<LiveRegion> =
            clusters[self.clusters].iter().flat_map(|cluster| &cluster.members).map(|&&one| one).collect();
        released.sort_by_key(|one| (Reverse(one.size), one.address));
        released.truncate(LISTED);
        WayOut {
            address: self.block.start,
            block: self.block.end - self.block.start,
            released_per_bank: self.cost,
            allocations: self.allocations,
            released,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ttmem_wire::Memory;

    use super::*;
    use crate::{Bank, State};

    fn region(address: u64, bytes: u64) -> LiveRegion {
        LiveRegion {
            device: 0,
            memory: Memory::Dram,
            address,
            size: bytes * 8,
            size_per_bank: Some(bytes),
            holders: 1,
            reports: 1,
            state: State::Live,
            allocated_at_ticks: 0,
            thread: 0,
            site: 0,
            core: None,
            tensor: 0,
            num_cores: 0,
            globally_allocated: false,
            preallocated: false,
            cached: false,
        }
    }

    fn list(live: &[LiveRegion]) -> FreeList {
        FreeList::new(Bank { base: 100, bytes: 100, banks: 8 }, live.iter().filter_map(taken).collect())
    }

    fn costs(live: &[LiveRegion], wanted: u64) -> Vec<(u64, u64, u64, u64)> {
        let ways = list(live).ways_out(live, wanted);
        ways.iter().map(|way| (way.released_per_bank, way.allocations, way.address, way.block)).collect()
    }

    #[test]
    fn the_cheapest_neighbours_go_first() {
        // Free: 100..120, 130..150, 152..160, 170..200.
        let live = [region(120, 10), region(150, 2), region(160, 10)];
        assert_eq!(costs(&live, 30), [], "there is such a block");
        assert_eq!(costs(&live, 31), [(10, 1, 152, 48), (10, 1, 100, 50)]);
        assert_eq!(costs(&live, 60), [(12, 2, 130, 70), (12, 2, 100, 60)].split_at(1).0);
        assert_eq!(costs(&live, 100), [(22, 3, 100, 100)]);
        assert_eq!(costs(&live, 101), [], "the bank is too small");
        // What overlaps goes together.
        assert_eq!(costs(&[region(120, 60), region(130, 70)], 30), [(130, 2, 100, 100)]);
    }

    proptest! {
        #[test]
        fn no_run_of_neighbours_is_cheaper(
            gaps in prop::collection::vec((0_u64..12, 1_u64..12), 1..9), wanted in 1_u64..100
        ) {
            let mut at = 100;
            let live: Vec<LiveRegion> = gaps.iter().map(|&(gap, bytes)| {
                at += gap;
                let one = region(at, bytes);
                at += bytes;
                one
            }).filter(|one| one.address + one.size_per_bank.unwrap() <= 200).collect();
            let is_enough = |kept: Vec<LiveRegion>| list(&kept).largest_block() >= wanted;
            let without = |range: Range<usize>| {
                live.iter().enumerate().filter(|(at, _)| !range.contains(at)).map(|(_, &one)| one).collect::<Vec<_>>()
            };
            let cost = |range: Range<usize>| live[range].iter().filter_map(|one| one.size_per_bank).sum::<u64>();
            let all = (0..live.len()).flat_map(|first| (first + 1..=live.len()).map(move |last| first..last));
            let best = all.filter(|range| is_enough(without(range.clone()))).map(cost).min();
            let found = list(&live).ways_out(&live, wanted);
            let expected = if is_enough(live.clone()) { None } else { best };
            prop_assert_eq!(found.first().map(|way| way.released_per_bank), expected);
            for way in &found {
                let kept: Vec<_> = live.iter().filter(|one| !way.released.contains(one)).copied().collect();
                prop_assert!(is_enough(kept) || way.allocations > LISTED as u64);
            }
        }
    }
}
