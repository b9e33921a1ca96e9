//! Regions of two allocators in the same bytes. Judged on ranges within a bank, and only where bytes a bank are known: an
//! address is an address in each bank, so sizes on the device say nothing about neighbours.

use std::collections::BTreeMap;

use ttmem_wire::Memory;

use crate::{
    Finding,
    region::{Key, Region},
};

/// Address, end, allocator.
type Range = (u64, u128, u32);

/// One finding for each memory of a device where allocators overlap.
pub(crate) fn find<'a>(regions: impl Iterator<Item = (Key, &'a Region)>) -> Vec<Finding> {
    let mut by_memory: BTreeMap<(i32, Memory), Vec<Range>> = BTreeMap::new();
    for (key, region) in regions {
        if let (Some(bytes), true) = (region.extent().per_bank, key.allocator != 0 && key.core().is_none()) {
            let end = u128::from(key.address) + u128::from(bytes);
            by_memory.entry((key.device, key.memory)).or_default().push((key.address, end, key.allocator));
        }
    }
    by_memory
        .into_iter()
        .filter_map(|((device, memory), ranges)| {
            let regions = overlapping(ranges);
            (regions > 0).then_some(Finding::AllocatorsOverlap { device, memory, regions })
        })
        .collect()
}

/// How many ranges meet one of another allocator that starts before them.
fn overlapping(mut ranges: Vec<Range>) -> u64 {
    ranges.sort_unstable();
    let mut furthest: BTreeMap<u32, u128> = BTreeMap::new();
    let mut count = 0;
    for (start, end, allocator) in ranges {
        let meets = furthest.iter().any(|(&other, &reach)| other != allocator && reach > u128::from(start));
        count += u64::from(meets);
        let reach = furthest.entry(allocator).or_default();
        *reach = end.max(*reach);
    }
    count
}
