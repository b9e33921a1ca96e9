//! Circular buffers: placed with an address, freed without one, by device or by program. Programs in the cache overlap in
//! L1, so what a device gives up for them is a union of ranges, never their sum: see [`crate::footprint`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ttmem_wire::{CoreRange, Event, Memory, flags};

use crate::{
    LiveRegion, State,
    alike::{self, Group, Groups, Member},
    footprint::{Footprint, Placement},
};

/// A placed circular buffer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CircularBuffer {
    address: u64,
    size: u64,
    ticks: u64,
    thread: u32,
    site: u32,
    num_cores: u32,
    globally_allocated: bool,
    cores: Option<CoreRange>,
    /// Further rectangles of its cores; most have one.
    more_cores: Vec<CoreRange>,
}

/// What one program has placed on one device.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Placed {
    /// In the order of their placement.
    buffers: Vec<CircularBuffer>,
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

/// The circular buffers of one device.
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
    /// Circular buffers that came.
    pub(crate) placed: u64,
    /// Circular buffers that went.
    pub(crate) gone: Gone,
}

/// Circular buffers that went, by program.
#[derive(Debug, Default)]
pub(crate) struct Gone(Vec<(u64, Placed)>);

impl Gone {
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|(_, placed)| placed.buffers.len() as u64).sum()
    }

    /// Each with its program.
    pub(crate) fn buffers(&self) -> impl Iterator<Item = (u64, &CircularBuffer)> {
        self.0.iter().flat_map(|(program, placed)| placed.buffers.iter().map(|buffer| (*program, buffer)))
    }
}

/// The circular buffers of all devices.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct CircularBuffers {
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

    /// Bytes of L1 that the fullest core gives up for circular buffers: those inside a counted buffer take none.
    pub(crate) fn footprint(&mut self) -> u128 {
        self.footprint.bytes()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &CircularBuffer> {
        self.programs.values().flat_map(|placed| &placed.buffers)
    }

    /// The same, each with its program.
    pub(crate) fn entries_by_program(&self) -> impl Iterator<Item = (u64, &CircularBuffer)> {
        self.programs.iter().flat_map(|(&program, placed)| placed.buffers.iter().map(move |buffer| (program, buffer)))
    }

    /// The one that was placed last in a program.
    pub(crate) fn last_of(&self, program: u64) -> Option<&CircularBuffer> {
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
        let buffer = CircularBuffer::new(event);
        let placed = self.programs.entry(program).or_default();
        buffer.placements().for_each(|placement| placed.put(placement, &mut self.footprint));
        placed.buffers.push(buffer);
        self.count += 1;
        Changed { placed: 1, gone }
    }

    /// A further rectangle of cores of the circular buffer that the same thread placed last.
    fn extend(&mut self, event: &Event) {
        let Some(placed) = self.programs.get_mut(&event.holder) else { return };
        let is_meant = |buffer: &&mut CircularBuffer| {
            (buffer.thread, buffer.address, buffer.size) == (event.thread, event.address, event.size)
        };
        if let (Some(buffer), Some(cores)) = (placed.buffers.last_mut().filter(is_meant), event.cores) {
            buffer.more_cores.push(cores);
            if !buffer.globally_allocated {
                let placement = Placement { address: buffer.address, size: buffer.size, cores: Some(cores) };
                placed.put(placement, &mut self.footprint);
            }
        }
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

impl CircularBuffers {
    /// After reading from a file: what follows from the rest is not in it.
    pub(crate) fn complete(&mut self) {
        for group in self.devices.all_mut() {
            let OnDevice { programs, count, footprint, .. } = &mut group.state;
            *count = programs.values().map(|placed| placed.buffers.len() as u64).sum();
            footprint.leave_for_later();
            for placed in programs.values_mut() {
                let buffers = std::mem::take(&mut placed.buffers);
                let placements = buffers.iter().flat_map(CircularBuffer::placements);
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

    /// Devices that hold circular buffers though no release was ever reported for them, with their number.
    pub(crate) fn never_released(&self) -> impl Iterator<Item = (i32, u64)> {
        self.devices()
            .filter(|(_, on_device)| {
                on_device.count > 0 && !on_device.release_was_reported && !self.release_of_all_was_reported
            })
            .map(|(device, on_device)| (device, on_device.count))
    }

    /// Where a program's circular buffers end that take bytes of their own, and the cores of the one that reaches furthest.
    pub(crate) fn end_of(&self, device: i32, program: u64) -> Option<(u64, Option<CoreRange>)> {
        let placed = self.devices.get(device)?.programs.get(&program)?;
        let placements = placed.buffers.iter().flat_map(CircularBuffer::placements);
        let last = placements.max_by_key(|placed| placed.address.saturating_add(placed.size))?;
        Some((last.address.saturating_add(last.size), last.cores))
    }

    /// Where a program's begin; of one that has none, where others' do: all begin at the same address.
    pub(crate) fn base(&self, device: i32, program: u64) -> Option<u64> {
        let programs = &self.devices.get(device)?.programs;
        let base =
            |placed: &Placed| placed.buffers.iter().flat_map(CircularBuffer::placements).map(|it| it.address).min();
        programs.get(&program).and_then(base).or_else(|| programs.values().filter_map(base).min())
    }

    pub(crate) fn devices(&self) -> impl Iterator<Item = (i32, &OnDevice)> {
        self.devices.devices()
    }
}

impl CircularBuffer {
    fn new(event: &Event) -> Self {
        Self {
            address: event.address,
            size: event.size,
            ticks: event.ticks,
            thread: event.thread,
            site: event.site,
            num_cores: event.extra,
            globally_allocated: event.flags & flags::GLOBALLY_ALLOCATED != 0,
            cores: event.cores,
            more_cores: Vec::new(),
        }
    }

    /// Where it takes bytes of its own.
    fn placements(&self) -> impl Iterator<Item = Placement> {
        let cores = std::iter::once(self.cores).chain(self.more_cores.iter().copied().map(Some));
        let takes_bytes = !self.globally_allocated;
        cores.filter(move |_| takes_bytes).map(|cores| Placement { address: self.address, size: self.size, cores })
    }

    pub(crate) fn shown(&self, device: i32, state: State) -> LiveRegion {
        LiveRegion {
            device,
            memory: Memory::CircularBuffer,
            address: self.address,
            size: self.size,
            // A circular buffer lies on each of its cores, and a core is a bank of L1.
            size_per_bank: Some(self.size),
            holders: 1,
            reports: 1,
            state,
            allocated_at_ticks: self.ticks,
            thread: self.thread,
            site: self.site,
            num_cores: self.num_cores,
            globally_allocated: self.globally_allocated,
            preallocated: false,
            cached: false,
        }
    }
}
