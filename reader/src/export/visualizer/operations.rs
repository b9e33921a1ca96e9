//! From steps to operations.

use std::{fmt, io, mem};

use ttmem_ledger::{Change, Life};
use ttmem_wire::{EventKind, Memory, flags};

use super::live::Live;
use crate::{
    replay::{ProcessInfo, Step, StepKind},
    report::bytes,
};

/// What each operation is shown to: the place of its process, the operation, and what is live after it.
pub(super) type Each<'a> = dyn FnMut(usize, &Operation, &mut Live) -> io::Result<()> + 'a;

/// A run of allocations of one call with nothing freed in between, or a refusal.
#[derive(Debug)]
pub(super) struct Operation {
    /// Its number in its process, from 0.
    pub(super) number: u64,
    /// Of its first allocation.
    pub(super) site: u32,
    pub(super) thread: u32,
    /// When its first allocation was, and its last.
    pub(super) times_ns: [u64; 2],
    /// Allocations of the program: one on several devices counts once.
    pub(super) allocations: u64,
    /// What they took on all devices.
    pub(super) bytes: u64,
    /// What was asked for in vain.
    pub(super) refusal: Option<Refusal>,
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
    live: Live,
    /// How many are over.
    passed: u64,
    open: Option<Operation>,
    pending: Pending,
}

/// The changes of one event. While it is at work, what it moves may count twice.
#[derive(Debug, Default)]
struct Pending {
    number: u64,
    time_ns: u64,
    gone: Vec<Life>,
    born: Vec<Life>,
}

impl Operations {
    pub(super) fn step(&mut self, step: &Step<'_>, each: &mut Each<'_>) -> io::Result<()> {
        if step.number != self.pending.number || matches!(step.kind, StepKind::End(_)) {
            self.settle(step, each)?;
            (self.pending.number, self.pending.time_ns) = (step.number, step.time_ns);
        }
        let is_buffer = |life: &Life| !life.region.memory.is_of_programs();
        match &step.kind {
            StepKind::Change(Change::Born(life) | Change::Widened { life, .. }) if is_buffer(life) => {
                self.pending.born.push(*life);
            }
            StepKind::Change(Change::Gone(life)) if is_buffer(life) => self.pending.gone.push(*life),
            StepKind::Event { event, devices, .. } => match event.kind {
                EventKind::Capacity => self.live.note_capacity(event, devices),
                EventKind::Tensor => self.live.note_tensor(event, devices),
                EventKind::OutOfMemory => {
                    self.close(step.index, each)?;
                    let free = event.space.map(|space| [space.free, space.largest_block]);
                    let is_other = event.flags & flags::OTHER_REASON != 0;
                    let refusal = Refusal { memory: event.memory, bytes: event.size, is_other, free };
                    let refused = self.begin(event.site, event.thread, step.time_ns);
                    self.open = Some(Operation { refusal: Some(refusal), ..refused });
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
        let Pending { time_ns, gone, born, .. } = mem::take(&mut self.pending);
        if !gone.is_empty() {
            self.close(step.index, each)?;
            for life in &gone {
                self.live.remove(life);
            }
        }
        let Some(first) = born.first() else { return Ok(()) };
        let (site, thread) = (first.region.site, first.region.thread);
        if self.open.as_ref().is_some_and(|open| open.thread != thread || !is_same(step.process, open.site, site)) {
            self.close(step.index, each)?;
        }
        let mut open = self.open.take().unwrap_or_else(|| self.begin(site, thread, time_ns));
        self.live.add(&born, open.number);
        open.times_ns[1] = time_ns;
        open.allocations += 1;
        open.bytes = born.iter().fold(open.bytes, |bytes, life| bytes.saturating_add(life.region.size));
        self.open = Some(open);
        Ok(())
    }

    fn begin(&self, site: u32, thread: u32, time_ns: u64) -> Operation {
        Operation { number: self.passed, site, thread, times_ns: [time_ns; 2], allocations: 0, bytes: 0, refusal: None }
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
