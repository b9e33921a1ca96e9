//! From steps to operations.

use std::{fmt, io, mem};

use ttmem_ledger::{Change, Life};
use ttmem_wire::{EventKind, Memory, flags};

use super::live::Live;
use crate::{
    replay::{ProcessInfo, Step, StepKind},
    report::{bytes, cores},
};

/// What each operation is shown to: the place of its process, the operation, and what is live after it.
pub(super) type Each<'a> = dyn FnMut(usize, &Operation, &mut Live) -> io::Result<()> + 'a;

/// A run of allocations of one call with nothing freed in between, and the program memory that it placed; or a refusal.
#[derive(Debug)]
pub(super) struct Operation {
    /// Its number in its process, from 0.
    pub(super) number: u64,
    /// Of the first thing that it made.
    pub(super) site: u32,
    pub(super) thread: u32,
    /// When it made its first thing, and its last.
    pub(super) times_ns: [u64; 2],
    /// Allocations of the program: one on several devices counts once.
    pub(super) allocations: u64,
    /// What they took on all devices.
    pub(super) bytes: u64,
    /// Its program memory.
    pub(super) placed: Vec<Placed>,
    /// What was asked for in vain.
    pub(super) refusal: Option<Refusal>,
}

/// A circular buffer, dataflow buffer or scratchpad.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) devices: Vec<i32>,
    /// As tt-metal writes them.
    pub(super) cores: Vec<String>,
    /// It lies in a buffer.
    pub(super) is_inside: bool,
}

/// Memory that could not be had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) memory: Option<Memory>,
    pub(super) bytes: u64,
    /// Whether there was room, and it was refused for something else.
    pub(super) is_other: bool,
    /// Free bytes in each bank, and the largest free block, where known.
    pub(super) free: Option<[u64; 2]>,
}

/// `L1: 6.0 MiB asked for; in each bank 5.0 KiB were free, the largest block 4.0 KiB`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.memory {
            Some(memory) => write!(f, "{memory}")?,
            None => write!(f, "unknown memory")?,
        }
        write!(f, ": {} asked for", bytes(self.bytes))?;
        self.free.map_or(Ok(()), |[free, largest]| {
            write!(f, "; in each bank {} were free, the largest block {}", bytes(free), bytes(largest))
        })
    }
}

/// The operations of one process, as they pass.
#[derive(Debug, Default)]
pub(super) struct Operations {
    /// The only device that is shown.
    device: Option<i32>,
    live: Live,
    /// How many are over.
    passed: u64,
    open: Option<Operation>,
    pending: Pending,
}

/// The changes of one event. While it is at work, what it moves may count twice.
#[derive(Debug, Default)]
struct Pending {
    number: Option<u64>,
    time_ns: u64,
    gone: Vec<Life>,
    born: Vec<Life>,
}

impl Operations {
    pub(super) fn new(device: Option<i32>) -> Self {
        Self { device, ..Self::default() }
    }

    fn shown(&self, devices: &[i32]) -> Vec<i32> {
        devices.iter().copied().filter(|of| self.device.is_none_or(|device| device == *of)).collect()
    }

    pub(super) fn step(&mut self, step: &Step<'_>, each: &mut Each<'_>) -> io::Result<()> {
        if Some(step.number) != self.pending.number || matches!(step.kind, StepKind::End(_)) {
            self.settle(step, each)?;
            (self.pending.number, self.pending.time_ns) = (Some(step.number), step.time_ns);
        }
        let is_buffer = |life: &Life| !life.region.memory.is_of_programs();
        match &step.kind {
            StepKind::Change(Change::Born(life) | Change::Widened { life, .. }) if is_buffer(life) => {
                self.pending.born.push(*life);
            }
            StepKind::Change(Change::Gone(life)) if is_buffer(life) => self.pending.gone.push(*life),
            StepKind::Event { event, devices, .. } => match event.kind {
                EventKind::Capacity => self.live.note_capacity(event, &self.shown(devices)),
                EventKind::Tensor => self.live.note_tensor(event, devices),
                EventKind::CbAllocate => {
                    let devices = self.shown(devices);
                    let open = self.part_of(step, event.site, event.thread, each)?;
                    let cores = event.cores.map(cores);
                    if event.flags & flags::MORE_CORES != 0 {
                        open.placed.last_mut().into_iter().for_each(|placed| placed.cores.extend(cores.clone()));
                    } else {
                        let is_inside = event.flags & flags::GLOBALLY_ALLOCATED != 0;
                        let cores = Vec::from_iter(cores);
                        let (address, size) = (event.address, event.size);
                        open.placed.push(Placed { address, size, devices, cores, is_inside });
                    }
                }
                EventKind::OutOfMemory => {
                    let free = event.space.map(|space| [space.free, space.largest_block]);
                    let is_other = event.flags & flags::OTHER_REASON != 0;
                    let refusal = Refusal { memory: event.memory, bytes: event.size, is_other, free };
                    self.part_of(step, event.site, event.thread, each)?.refusal = Some(refusal);
                    self.close(step.index, each)?;
                }
                _ => {}
            },
            StepKind::End(_) => self.close(step.index, each)?,
            _ => {}
        }
        Ok(())
    }

    /// The event at work is over: what it freed ends the operation before it, and what it made begins one, or goes on with it.
    fn settle(&mut self, step: &Step<'_>, each: &mut Each<'_>) -> io::Result<()> {
        let time_ns = self.pending.time_ns;
        let (gone, born) = (mem::take(&mut self.pending.gone), mem::take(&mut self.pending.born));
        if !gone.is_empty() {
            self.close(step.index, each)?;
            for life in &gone {
                self.live.remove(life);
            }
        }
        let Some(first) = born.first() else { return Ok(()) };
        let (site, thread) = (first.region.site, first.region.thread);
        let open = self.part_of(step, site, thread, each)?;
        open.allocations += 1;
        open.bytes = born.iter().fold(open.bytes, |bytes, life| bytes.saturating_add(life.region.size));
        open.times_ns[1] = time_ns;
        let number = open.number;
        self.live.add(&born, number);
        Ok(())
    }

    /// The operation that what an event makes is a part of: the open one, or a new one where that is another call.
    fn part_of(&mut self, step: &Step<'_>, site: u32, thread: u32, each: &mut Each<'_>) -> io::Result<&mut Operation> {
        if self.open.as_ref().is_some_and(|open| open.thread != thread || !is_same(step.process, open.site, site)) {
            self.close(step.index, each)?;
        }
        // An event is settled before the next one begins.
        let time_ns = self.pending.time_ns;
        Ok(self.open.get_or_insert_with(|| Operation {
            number: self.passed,
            site,
            thread,
            times_ns: [time_ns; 2],
            allocations: 0,
            bytes: 0,
            placed: Vec::new(),
            refusal: None,
        }))
    }

    fn close(&mut self, index: usize, each: &mut Each<'_>) -> io::Result<()> {
        let Some(operation) = self.open.take() else { return Ok(()) };
        self.passed += 1;
        each(index, &operation, &mut self.live)
    }
}

/// Whether two call sites are one line of the program, by way of the same ttnn operation.
fn is_same(process: &ProcessInfo, one: u32, other: u32) -> bool {
    one == other
        || process.op(one) == process.op(other)
            && !process.frames(one).is_empty()
            && process.frames(one) == process.frames(other)
}
