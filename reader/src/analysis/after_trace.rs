//! Allocations beside a captured trace that is older. A trace replays with the addresses of its capture: what was allocated later
//! may lie where the trace writes ("unsafe" in tt-metal's words).
//!
//! tt-metal allocates the buffer of a trace at the end of its capture, and frees it when the trace is released.

use std::collections::HashMap;

use ttmem_wire::Memory;

use super::{Allocation, Held, Observation};

/// What of these was made after a trace that is live too, if there is any.
pub(super) fn after_trace<'a>(left: impl Iterator<Item = &'a Allocation> + Clone) -> Option<Observation> {
    let mut captured: HashMap<i32, u64> = HashMap::new();
    for trace in left.clone().filter(|one| one.memory == Memory::Trace) {
        let first = captured.entry(trace.device).or_insert(trace.at_ns);
        *first = trace.at_ns.min(*first);
    }
    let is_later = |one: &&Allocation| {
        let is_tensor = one.memory != Memory::Trace && !one.memory.is_of_programs();
        is_tensor && captured.get(&one.device).is_some_and(|&first| one.at_ns > first)
    };
    let later = left.filter(is_later);
    let largest = later.clone().max_by_key(|one| one.size)?;
    Some(Observation::AfterTrace { held: Held::of(later), largest: Box::new(largest.clone()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_younger_than_a_trace_of_its_device_is_found() {
        let one = |memory, device, at_ns, size| Allocation { memory, device, at_ns, size, ..Allocation::example() };
        let all = [
            one(Memory::Dram, 0, 1, 1),
            one(Memory::Trace, 0, 5, 10),
            one(Memory::Dram, 0, 6, 100),
            one(Memory::L1, 0, 7, 1000),
            one(Memory::Trace, 0, 8, 10),
            one(Memory::CircularBuffer, 0, 9, 10_000),
            one(Memory::Dram, 1, 9, 100_000),
        ];
        let Some(Observation::AfterTrace { held, largest }) = after_trace(all.iter()) else { panic!("none found") };
        assert_eq!((held.allocations, held.bytes, largest.memory), (2, 1100, Memory::L1));
        assert!(after_trace(all[..2].iter()).is_none());
        assert!(after_trace(all[2..4].iter()).is_none(), "no trace, nothing to lie in its way");
    }
}
