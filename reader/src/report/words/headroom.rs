//! What is left of a memory, in a few words.

use ttmem_ledger::Headroom;
use ttmem_wire::Memory;

use super::units::bytes;

/// "DRAM 28.0 GiB of 31.9 GiB, largest block 3.5 GiB per bank; L1 ...".
pub(crate) fn headroom(memories: &[(Memory, Headroom)]) -> String {
    memories.iter().map(|(memory, left)| of_memory(*memory, left)).collect::<Vec<_>>().join("; ")
}

fn of_memory(memory: Memory, left: &Headroom) -> String {
    let capacity = bytes(left.capacity());
    match (left.free(), left.largest_free_block_per_bank) {
        (Some(free), Some(block)) => {
            format!("{memory} {} of {capacity}, largest block {} per bank", bytes(free), bytes(block))
        }
        _ => format!("{memory} an unknown part of {capacity}"),
    }
}
