//! Program memory: circular buffers, dataflow buffers and scratchpads. They are placed with an address and freed without one,
//! by device or by program. Programs in the cache overlap in L1, so what a device gives up for them is a union of ranges,
//! never their sum: see [`crate::footprint`].

mod buffer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ttmem_wire::{CoreRange, Event, Memory, flags};

pub(crate) use self::buffer::ProgramBuffer;
use crate::{
    alike::{self, Group, Groups, Member},
    footprint::{Footprint, Placement},
};

/// What one program has placed on one device.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Placed {
    /// In the order of their placement.
    buffers: Vec<ProgramBuffer>,
    /// Where they take bytes. A program places one behind the other on the same cores, so that they are few.
    #[serde(skip)]
    pieces: Vec<Placement>,
}

/// Pieces that one more may go on from: as many as a program has sets of cores, or so.
const LATEST: usize = 8;

impl Placed {
    /// Notes where one of them takes bytes.
    fn put(&mut self, placement: Placement, footprint: &mut Footprint) {
        let mut latest = self.pieces.iter_mut().rev().take(LATEST);
        let joined = latest.find_map(|piece| Some((piece.joined(&placement)?, piece)));
        match joined {
            Some((longer, piece)) => {
                footprint.add(longer);
                footprint.remove(*piece);
                *piece = longer;
            }
            None => {
                footprint.add(placement);
                self.pieces.push(placement);
            }
        }
    }
}

/// One kind of program memory on one device.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct OnDevice {
    /// By program, 0 where it is not known.
    programs: BTreeMap<u64, Placed>,
    #[serde(skip)]
    count: u64,
    #[serde(skip)]
    footprint: Footprint,
    release_was_reported: bool,
}

/// What an event did.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Buffers that came.
    pub(crate) placed: u64,
    /// Buffers that went.
    pub(crate) gone: Gone,
}

/// Buffers that went, by program.
#[derive(Debug, Default)]
pub(crate) struct Gone(Vec<(u64, Placed)>);

impl Gone {
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|(_, placed)| placed.buffers.len() as u64).sum()
    }

    /// Each with its program.
    pub(crate) fn buffers(&self) -> impl Iterator<Item = (u64, &ProgramBuffer)> {
        self.0.iter().flat_map(|(program, placed)| placed.buffers.iter().map(|buffer| (*program, buffer)))
    }
}

/// Program memory of all kinds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ProgramMemory {
    /// In the order of [`Memory::OF_PROGRAMS`].
    kinds: [OfKind; Memory::OF_PROGRAMS.len()],
}

/// One kind of program memory on all devices.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct OfKind {
    devices: Groups<OnDevice>,
    release_of_all_was_reported: bool,
}

impl alike::State for OnDevice {
    fn equals(&self, other: &Self) -> bool {
        self.programs.is_empty() && other.programs.is_empty() && self.release_was_reported == other.release_was_reported
    }
}

impl OnDevice {
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Bytes of L1 that the fullest core gives up for them: those inside a counted buffer take none.
    pub(crate) fn footprint(&mut self) -> u128 {
        self.footprint.bytes()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &ProgramBuffer> {
        self.programs.values().flat_map(|placed| &placed.buffers)
    }

    /// The same, each with its program.
    pub(crate) fn entries_by_program(&self) -> impl Iterator<Item = (u64, &ProgramBuffer)> {
        self.programs.iter().flat_map(|(&program, placed)| placed.buffers.iter().map(move |buffer| (program, buffer)))
    }

    pub(crate) fn release_was_reported(&self) -> bool {
        self.release_was_reported
    }

    /// Where the buffers of a program take bytes.
    fn placements_of(&self, program: u64) -> impl Iterator<Item = Placement> {
        self.programs
            .get(&program)
            .into_iter()
            .flat_map(|placed| placed.buffers.iter().flat_map(ProgramBuffer::placements))
    }

    /// Where all of them do, in few pieces.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Placement> {
        self.programs.values().flat_map(|placed| placed.pieces.iter().copied())
    }

    /// The one that was placed last in a program.
    pub(crate) fn last_of(&self, program: u64) -> Option<&ProgramBuffer> {
        self.programs.get(&program)?.buffers.last()
    }

    fn place(&mut self, event: &Event) -> Changed {
        let program = event.holder;
        if event.flags & flags::MORE_CORES != 0 {
            self.extend(event);
            return Changed::default();
        }
        let is_anew = program != 0 && event.flags & flags::NEW_PLACEMENT != 0;
        let gone = if is_anew { self.take(program) } else { Gone::default() };
        let buffer = ProgramBuffer::new(event);
        let placed = self.programs.entry(program).or_default();
        buffer.placements().for_each(|placement| placed.put(placement, &mut self.footprint));
        placed.buffers.push(buffer);
        self.count += 1;
        Changed { placed: 1, gone }
    }

    /// A further rectangle of cores of the buffer that the same thread placed last.
    fn extend(&mut self, event: &Event) {
        let Some(placed) = self.programs.get_mut(&event.holder) else { return };
        let placement = placed.buffers.last_mut().and_then(|buffer| buffer.extend(event));
        placement.into_iter().for_each(|placement| placed.put(placement, &mut self.footprint));
    }

    /// Takes those of one program out, or all where none is named.
    fn take(&mut self, program: u64) -> Gone {
        let gone = if program == 0 {
            self.footprint.clear();
            Gone(std::mem::take(&mut self.programs).into_iter().collect())
        } else {
            let placed = self.programs.remove(&program).unwrap_or_default();
            placed.pieces.iter().for_each(|&piece| self.footprint.remove(piece));
            Gone(vec![(program, placed)])
        };
        self.count -= gone.count();
        gone
    }
}

impl ProgramMemory {
    /// Those that an event means: circular buffers, which came first, where it names no kind.
    pub(crate) fn of_event(&mut self, event: &Event) -> (Memory, &mut OfKind) {
        let at = Memory::OF_PROGRAMS.iter().position(|&kind| event.memory == Some(kind)).unwrap_or(0);
        (Memory::OF_PROGRAMS[at], &mut self.kinds[at])
    }

    /// Circular buffers.
    pub(crate) fn circular_buffers(&self) -> &OfKind {
        &self.kinds[0]
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Memory, &mut OfKind)> {
        Memory::OF_PROGRAMS.into_iter().zip(&mut self.kinds)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Memory, &OfKind)> {
        Memory::OF_PROGRAMS.into_iter().zip(&self.kinds)
    }

    /// What is placed, by kind, and devices that have it alike.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (Memory, Vec<i32>, &OnDevice)> {
        let groups = self.iter().map(|(memory, of_kind)| (memory, of_kind.devices.groups()));
        groups.flat_map(|(memory, groups)| groups.map(move |(devices, placed)| (memory, devices, placed)))
    }

    /// What is placed, by kind and device.
    pub(crate) fn devices(&self) -> impl Iterator<Item = (Memory, i32, &OnDevice)> {
        self.iter()
            .flat_map(|(memory, of_kind)| of_kind.devices().map(move |(device, placed)| (memory, device, placed)))
    }

    /// After reading from a file: what follows from the rest is not in it.
    pub(crate) fn complete(&mut self) {
        self.kinds.iter_mut().for_each(OfKind::complete);
    }

    /// What lies on a device.
    pub(crate) fn on(&self, device: i32) -> impl Iterator<Item = (Memory, &OnDevice)> {
        self.iter().filter_map(move |(memory, of_kind)| Some((memory, of_kind.devices.get(device)?)))
    }

    /// Where the buffers of a program end that take bytes of their own, and the cores of the one that reaches furthest.
    pub(crate) fn end_of(&self, device: i32, program: u64) -> Option<(u64, Option<CoreRange>)> {
        let placements = self.on(device).flat_map(|(_, placed)| placed.placements_of(program));
        let last = placements.max_by_key(Placement::end)?;
        Some((last.end(), last.cores))
    }

    /// Where a program's begin; of one that has none, where others' do: all begin at the same address.
    pub(crate) fn base(&self, device: i32, program: u64) -> Option<u64> {
        let own = self.on(device).flat_map(|(_, placed)| placed.placements_of(program));
        let all = || self.on(device).flat_map(|(_, placed)| placed.pieces());
        own.map(|placed| placed.address).min().or_else(|| all().map(|placed| placed.address).min())
    }
}

impl OfKind {
    /// After reading from a file: what follows from the rest is not in it.
    fn complete(&mut self) {
        for group in self.devices.all_mut() {
            let OnDevice { programs, count, footprint, .. } = &mut group.state;
            *count = programs.values().map(|placed| placed.buffers.len() as u64).sum();
            footprint.leave_for_later();
            for placed in programs.values_mut() {
                let buffers = std::mem::take(&mut placed.buffers);
                let placements = buffers.iter().flat_map(ProgramBuffer::placements);
                placements.for_each(|placement| placed.put(placement, footprint));
                placed.buffers = buffers;
            }
        }
    }

    /// Adds one, or a part of one; tells `each` on which devices, what their state is after it, and what changed.
    pub(crate) fn place(
        &mut self,
        devices: &[i32],
        event: &Event,
        mut each: impl FnMut(&mut [Member], &mut OnDevice, &Changed),
    ) {
        self.devices.each_of(devices, |Group { members, state }| {
            let changed = state.place(event);
            each(members, state, &changed);
        });
    }

    /// Takes the program's on these devices out, or all there where none is named; the program does report it.
    pub(crate) fn take(
        &mut self,
        devices: &[i32],
        program: u64,
        mut each: impl FnMut(&mut [Member], &mut OnDevice, &Gone),
    ) {
        self.devices.each_of(devices, |Group { members, state }| {
            state.release_was_reported = true;
            let gone = state.take(program);
            each(members, state, &gone);
        });
    }

    /// The device was closed: tells what was left there, which is gone.
    pub(crate) fn close(&mut self, device: i32, left: impl FnOnce(Member, &OnDevice)) {
        self.devices.replace(device, |member, state| {
            left(member, state);
            OnDevice { release_was_reported: state.release_was_reported, ..OnDevice::default() }
        });
    }

    /// The same for a report that names no device.
    pub(crate) fn note_release_of_all(&mut self) {
        self.release_of_all_was_reported = true;
    }

    /// Devices that hold some though no release was ever reported for them, with their number.
    pub(crate) fn never_released(&self) -> impl Iterator<Item = (i32, u64)> {
        self.devices()
            .filter(|(_, on_device)| {
                on_device.count > 0 && !on_device.release_was_reported && !self.release_of_all_was_reported
            })
            .map(|(device, on_device)| (device, on_device.count))
    }

    pub(crate) fn devices(&self) -> impl Iterator<Item = (i32, &OnDevice)> {
        self.devices.devices()
    }
}
