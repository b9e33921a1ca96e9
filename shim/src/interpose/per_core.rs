//! Buffers with an address of their own on each core: tt-metal's allocator mode HYBRID, by the functions that it exports for that.

use std::{ffi::c_void, mem::transmute};

use ttmem_wire::{Event, Memory, OnCore};

use super::{
    fields::careful_read,
    metal::{Getter, Object},
};
use crate::symbols::Symbol;

static IS_PER_CORE: Symbol =
    Symbol::new(c"_ZN2tt8tt_metal12experimental19per_core_allocation22is_per_core_allocationERKNS0_6BufferE");
/// Gives a reference to a `std::unordered_map<CoreCoord, DeviceAddr>`.
static ADDRESSES: Symbol =
    Symbol::new(c"_ZN2tt8tt_metal12experimental19per_core_allocation22get_per_core_addressesERKNS0_6BufferE");

/// A map with more cores than any grid has is laid out in a way that is not known.
const MOST_CORES: u64 = 4096;

/// The functions; builds without them have no such buffers.
pub(super) struct PerCore {
    is_one: Getter<bool>,
    addresses: Option<Getter<Object>>,
}

impl PerCore {
    pub(super) fn resolve() -> Option<Self> {
        let is_one = IS_PER_CORE.address();
        // SAFETY: the mangled names fix the arguments, and tt-metal's headers the results; the first address is not null, and
        // of the second Option stands for null.
        (!is_one.is_null()).then(|| unsafe {
            Self {
                is_one: transmute::<*mut c_void, Getter<bool>>(is_one),
                addresses: transmute::<*mut c_void, Option<Getter<Object>>>(ADDRESSES.address()),
            }
        })
    }

    /// Whether this valid buffer in this memory is one. tt-metal has them in L1 alone.
    #[inline(always)]
    pub(super) fn is_one(&self, buffer: Object, memory: Option<Memory>) -> bool {
        // SAFETY: the caller's buffer is valid.
        memory == Some(Memory::L1) && unsafe { (self.is_one)(buffer) }
    }

    /// The events of its parts, in the place of this one: each on its core, with its share of the size. Where the addresses can't
    /// be read, one event of the whole, which is found again by its holder.
    #[cold]
    pub(super) fn parts(&self, buffer: Object, event: Event) -> Vec<Event> {
        // What a bank holds differs from core to core.
        let event = Event { size_per_bank: None, ..event };
        // SAFETY: as above.
        let map = self.addresses.map(|addresses| unsafe { addresses(buffer) });
        let Some(places) = map.and_then(read).filter(|places| !places.is_empty()) else {
            return vec![Event { address: event.holder, extra: OnCore::Unknown.code(), ..event }];
        };
        let count = places.len() as u64;
        let part = |(at, &([x, y], address)): (u64, &([u16; 2], u64))| {
            // The first ones take what is left over.
            let size = event.size / count + u64::from(at < event.size % count);
            Event { address, size, extra: OnCore::At { x, y }.code(), ..event }
        };
        (0..).zip(&places).map(part).collect()
    }
}

/// The cores and their addresses, in order; `None` where this is no such map. It is laid out as libstdc++ has it: words 2 and 3 are the
/// first node and the number of nodes, and a node is the next one, the core's x and y, and the address.
fn read(map: Object) -> Option<Vec<([u16; 2], u64)>> {
    let [first, count] = careful_read::<2>(map as usize + 16)?;
    if count > MOST_CORES {
        return None;
    }
    let mut places = Vec::with_capacity(count as usize);
    let mut node = first;
    for _ in 0..count {
        let [next, x, y, address] = careful_read::<4>(node as usize)?;
        let corner = |at: u64| u16::try_from(at).ok();
        // An address is a number of 32 bits, as that of any buffer.
        places.push(([corner(x)?, corner(y)?], u64::from(u32::try_from(address).ok()?)));
        node = next;
    }
    places.sort_unstable();
    (node == 0).then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_and_other_words_are_none() {
        let mut nodes = [[0_u64, 3, 1, 0x17_f800], [0, 0, 7, 64]];
        let second = nodes[1].as_ptr() as u64;
        nodes[0][0] = second;
        let map = |first: &[u64; 4], count: u64| [0, 0, first.as_ptr() as u64, count];
        let of = |map: [u64; 4]| read(map.as_ptr().cast());
        assert_eq!(of(map(&nodes[0], 2)), Some(vec![([0, 7], 64), ([3, 1], 0x17_f800)]));
        assert_eq!(of([0; 4]), Some(vec![]));
        assert_eq!(of(map(&nodes[0], 1)), None, "there is another node");
        assert_eq!(of(map(&nodes[0], 3)), None, "there is no other node");
        assert_eq!(of([0, 0, 0, MOST_CORES + 1]), None);
        assert_eq!(of(map(&[0, 3, 1 << 16, 5], 1)), None, "no core");
        assert_eq!(of(map(&[0, 3, 1, 1 << 32], 1)), None, "no address");
    }
}
