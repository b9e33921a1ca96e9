//! What lies in the L1 of one core, by address: what programs placed there, and the buffers of its bank.

use ttmem_wire::{Memory, OnCore};

use crate::{places::Places, program_memory::ProgramMemory};

/// Bytes of one core's L1 that something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct L1Piece {
    /// Its first address.
    pub address: u64,
    /// Behind its last byte.
    pub end: u64,
    /// Of which memory it is.
    pub memory: Memory,
    /// The interned call site, 0 for none.
    pub site: u32,
    /// The interned tensor, 0 for none.
    pub tensor: u32,
}

/// By address. Programs of the cache overlap, and a buffer whose bytes a bank are not known is left out.
pub(crate) fn pieces(programs: &ProgramMemory, places: &Places, device: i32, core: (u16, u16)) -> Vec<L1Piece> {
    let buffers = programs.on(device).flat_map(|(memory, placed)| placed.entries().map(move |one| (memory, one)));
    let placed = buffers.flat_map(|(memory, buffer)| {
        let here = buffer.placements().filter(|placed| placed.is_on(core));
        here.map(move |placed| (placed, memory, buffer.site()))
    });
    let placed = placed.map(|(placed, memory, site)| L1Piece {
        address: placed.address,
        end: placed.end(),
        memory,
        site,
        tensor: 0,
    });
    let is_here = |on: Option<OnCore>| on.is_none_or(|on| on == OnCore::At { x: core.0, y: core.1 });
    let in_banks = [Memory::L1, Memory::L1Small].into_iter().flat_map(|memory| places.regions_in(device, memory));
    let in_banks = in_banks.filter(|(key, _)| is_here(key.core())).filter_map(|(key, region)| {
        Some(L1Piece {
            address: key.address,
            // A part on a core is all that lies there.
            end: key
                .address
                .saturating_add(key.core().map_or(region.extent().per_bank, |_| Some(region.extent().bytes))?),
            memory: key.memory,
            site: region.site(),
            tensor: region.tensor(),
        })
    });
    let mut pieces: Vec<L1Piece> = placed.chain(in_banks).collect();
    pieces.sort_unstable();
    // Programs of the cache place the same again and again.
    pieces.dedup();
    pieces
}
