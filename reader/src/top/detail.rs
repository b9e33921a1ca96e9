//! What Enter opens: a process, a device, or allocations of one kind. Found out on demand, since it takes longer than a picture.

use std::sync::Arc;

use ttmem_ledger::{Headroom, L1Piece, L1Pressure};
use ttmem_wire::Memory;

use crate::{
    CallSite, Session, SiteStyle, Suppressions, Tell,
    analysis::{Analysis, ProcessAnalysis},
    view::SiteNames,
};

/// Allocations whose addresses are listed.
const LISTED: usize = 64;

/// What the user looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// How a process's memory goes.
    Process(u32),
    /// What a device has, and what lies in its L1.
    Device(i32),
    /// Allocations of a process that have memory, size and call site in common.
    Allocations {
        /// Whose.
        pid: u32,
        /// In which memory.
        memory: Memory,
        /// Bytes of each.
        size: u64,
        /// The call site's number in the process.
        site: u32,
    },
}

/// The answer.
#[derive(Clone, Debug)]
pub enum Detail {
    /// Its analysis, as in `ttmem report`.
    Process(Box<ProcessAnalysis>),
    /// What a device has.
    Device(DeviceDetail),
    /// Allocations of one kind.
    Allocations(AllocationsDetail),
}

/// A device.
#[derive(Clone, Debug, Default)]
pub struct DeviceDetail {
    pub(super) device: i32,
    /// Of each memory whose allocator was seen.
    pub(super) headroom: Vec<(Memory, Headroom)>,
    /// The fullest core, where it is known.
    pub(super) core: Option<L1Pressure>,
    /// Its L1, by address.
    pub(super) pieces: Vec<Piece>,
    /// The addresses of L1, where they are known.
    pub(super) span: Option<(u64, u64)>,
}

/// Bytes of the core that one call site takes for one memory, or that are free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) address: u64,
    pub(super) end: u64,
    /// `None` where they are free.
    pub(super) memory: Option<Memory>,
    pub(super) site: Arc<CallSite>,
}

/// Allocations of one kind.
#[derive(Clone, Debug, Default)]
pub struct AllocationsDetail {
    pub(super) allocations: u64,
    pub(super) devices: Vec<i32>,
    pub(super) cached: u64,
    /// Those with several owners.
    pub(super) shared: u64,
    /// Seconds since the oldest and the newest were made.
    pub(super) ages: Option<(u64, u64)>,
    /// Device and address of the first.
    pub(super) places: Vec<(i32, u64)>,
}

/// Finds it out; `None` where it is gone.
pub(super) fn detail(question: &Question, sessions: &[Session], names: &mut SiteNames) -> Option<Detail> {
    match *question {
        Question::Process(pid) => {
            let session = sessions.iter().find(|session| session.header().pid == pid)?;
            let mut analysis = Analysis::new([session], &Suppressions::default(), SiteStyle::default());
            Some(Detail::Process(Box::new(analysis.processes.pop()?)))
        }
        Question::Device(device) => Some(Detail::Device(of_device(device, sessions, names))),
        Question::Allocations { pid, memory, size, site } => {
            let session = sessions.iter().find(|session| session.header().pid == pid)?;
            let found = allocations(session, (memory, size, site));
            (found.allocations > 0).then_some(Detail::Allocations(found))
        }
    }
}

fn of_device(device: i32, sessions: &[Session], names: &mut SiteNames) -> DeviceDetail {
    let mut detail = DeviceDetail { device, ..DeviceDetail::default() };
    for session in sessions {
        let ledger = session.ledger();
        let here = ledger.memories().into_iter().filter(|key| key.0 == device);
        for (memory, headroom) in here.filter_map(|key| Some((key.1, ledger.headroom(device, key.1)?))) {
            // Each process knows what it holds itself: of several the least that one leaves.
            match detail.headroom.iter_mut().find(|known| known.0 == memory) {
                Some((_, known)) if headroom.free() < known.free() => *known = headroom,
                Some(_) => {}
                None => detail.headroom.push((memory, headroom)),
            }
        }
        let banks = [Memory::L1, Memory::L1Small].map(|memory| ledger.bank(device, memory));
        let core = ledger.l1_pressure(device);
        let fullest = |core: &Option<L1Pressure>| core.map_or(0, |core| core.program_bytes + core.persistent_bytes);
        if detail.core.is_none() || fullest(&core) > fullest(&detail.core) {
            detail.core = core;
        }
        for bank in banks.into_iter().flatten().filter(|bank| bank.bytes > 0) {
            let (first, end) = detail.span.unwrap_or((bank.base, bank.base));
            detail.span = Some((first.min(bank.base), end.max(bank.base.saturating_add(bank.bytes))));
        }
    }
    if let Some(core) = detail.core {
        let all = sessions.iter().map(|session| (session, session.ledger().l1_map(device, (core.x, core.y))));
        let all = all.flat_map(|(session, map)| map.into_iter().map(move |piece| (session, piece)));
        let mut pieces: Vec<Piece> = all.map(|(session, piece)| of_core(session, piece, names)).collect();
        pieces.sort_by_key(|piece| (piece.address, piece.end));
        detail.pieces = with_free(joined(pieces), detail.span);
    }
    detail
}

fn of_core(session: &Session, piece: L1Piece, names: &mut SiteNames) -> Piece {
    let L1Piece { address, end, memory, site, .. } = piece;
    Piece { address, end, memory: Some(memory), site: names.site(session, site) }
}

/// What one call site has one behind the other is one piece.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut all: Vec<Piece> = Vec::new();
    for piece in pieces {
        match all.last_mut() {
            Some(last) if piece.address <= last.end && (last.memory, &last.site) == (piece.memory, &piece.site) => {
                last.end = last.end.max(piece.end);
            }
            _ => all.push(piece),
        }
    }
    all
}

/// With what is free between them, and before and behind where the addresses of L1 are known.
fn with_free(pieces: Vec<Piece>, span: Option<(u64, u64)>) -> Vec<Piece> {
    let free = |address, end| Piece { address, end, memory: None, site: Arc::default() };
    let mut all = Vec::new();
    let mut reached = span.map(|span| span.0);
    for piece in pieces {
        if let Some(from) = reached.filter(|&from| from < piece.address) {
            all.push(free(from, piece.address));
        }
        reached = Some(reached.map_or(piece.end, |reached| reached.max(piece.end)));
        all.push(piece);
    }
    if let Some((from, (_, end))) = reached.zip(span).filter(|(from, span)| *from < span.1) {
        all.push(free(from, end));
    }
    all
}

fn allocations(session: &Session, kind: (Memory, u64, u32)) -> AllocationsDetail {
    let mut detail = AllocationsDetail::default();
    let (mut oldest, mut newest) = (u64::MAX, 0);
    for region in session.ledger().iter_live().filter(|one| (one.memory, one.size, one.site) == kind) {
        detail.allocations += 1;
        detail.cached += u64::from(region.cached);
        detail.shared += u64::from(region.holders > 1);
        (oldest, newest) = (region.allocated_at_ticks.min(oldest), region.allocated_at_ticks.max(newest));
        if !detail.devices.contains(&region.device) {
            detail.devices.push(region.device);
        }
        detail.places.push((region.device, region.address));
    }
    detail.devices.sort_unstable();
    detail.places.sort_unstable();
    detail.places.truncate(LISTED);
    let clock = session.told().clock;
    let since = |ticks| ttmem_ring::realtime_ns().saturating_sub(clock.realtime_ns(ticks)) / 1_000_000_000;
    detail.ages = (detail.allocations > 0).then(|| (since(oldest), since(newest)));
    detail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_divided_into_what_is_taken_and_what_is_free() {
        let piece = |address, end, memory| Piece { address, end, memory: Some(memory), site: Arc::default() };
        let placed = vec![
            piece(100, 200, Memory::CircularBuffer),
            piece(150, 300, Memory::CircularBuffer),
            piece(300, 320, Memory::Scratchpad),
            piece(700, 800, Memory::L1),
        ];
        let shown = |span| {
            let all = with_free(joined(placed.clone()), span).into_iter();
            all.map(|one| (one.address, one.end, one.memory)).collect::<Vec<_>>()
        };
        let between = [
            (100, 300, Some(Memory::CircularBuffer)),
            (300, 320, Some(Memory::Scratchpad)),
            (320, 700, None),
            (700, 800, Some(Memory::L1)),
        ];
        assert_eq!(shown(None), between);
        assert_eq!(shown(Some((0, 1000))), [[(0, 100, None)].as_slice(), &between, &[(800, 1000, None)]].concat());
        assert_eq!(with_free(Vec::new(), Some((0, 10))).len(), 1);
    }
}
