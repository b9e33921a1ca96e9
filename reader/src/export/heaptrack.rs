//! A profile for heaptrack 1.1 and later, in version 2 of its text format: tables, and which entry of them was allocated
//! or freed, with time stamps in between.
//!
//! heaptrack knows one heap of one process. So all memories of all devices are summed, the memory is the outermost frame,
//! and each kind of program memory of a device is one entry that grows and shrinks with their union.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use ttmem_ledger::{Change, Life};
use ttmem_wire::Memory;

use super::{
    Exporter, Output,
    heaptrack_tables::{Tables, one_line},
    one_process,
    stacks::{MAX_STACKS, Source},
};
use crate::replay::{ProcessInfo, Step, StepKind, Steps};

/// The writer that the file names, and the version of the format.
const VERSION: &str = "v 10400 2";

pub(super) struct Heaptrack<'a> {
    steps: &'a Steps,
    process: usize,
    output: Compressor<'a>,
    tables: Tables,
    stacks: HashMap<Source, u64>,
    /// What program memory takes of each device, as it was written.
    footprints: BTreeMap<(i32, Memory), u64>,
    /// What the event at work did.
    pending: Pending,
    written_ms: Option<u64>,
    allocations: u64,
}

/// The changes of one event. While it is at work, what it moves may count twice, so they are written when it is over, those
/// that make less first: the peak is one that was there.
#[derive(Debug, Default)]
struct Pending {
    number: u64,
    time_ns: u64,
    allocated: Vec<(u64, u64)>,
    freed: Vec<(u64, u64)>,
    /// New unions by device and kind, and how many buffers came.
    footprints: BTreeMap<(i32, Memory), (Option<u64>, u64)>,
}

impl<'a> Heaptrack<'a> {
    pub(super) fn begin(steps: &'a Steps, to: Option<&Path>, output: &'a mut Output) -> io::Result<Self> {
        let mut made = Self {
            steps,
            process: one_process::busiest(steps),
            output: Compressor::by_name(to, output)?,
            tables: Tables::default(),
            stacks: HashMap::new(),
            footprints: BTreeMap::new(),
            pending: Pending::default(),
            written_ms: None,
            allocations: 0,
        };
        let command = steps.processes().get(made.process).map_or(String::new(), |process| process.command.join(" "));
        writeln!(made.output, "{VERSION}")?;
        writeln!(made.output, "X {}", one_line(&command))?;
        // The size of a page, and how many the host has, which no recording says.
        writeln!(made.output, "I 1000 0")?;
        Ok(made)
    }

    fn stack(&mut self, process: &ProcessInfo, mut source: Source) -> io::Result<u64> {
        // The chips of a mesh are mostly alike.
        source.device = 0;
        if self.stacks.len() >= MAX_STACKS && !self.stacks.contains_key(&source) {
            source = source.among_others();
        }
        if let Some(&known) = self.stacks.get(&source) {
            return Ok(known);
        }
        let mut frames = source.frames(process);
        let outermost = format!("memory {}", source.memory);
        if frames.last() != Some(&outermost) {
            frames.push(outermost);
        }
        let stack = self.tables.stack(&frames, &mut self.output)?;
        self.stacks.insert(source, stack);
        Ok(stack)
    }

    fn change(&mut self, step: &Step<'_>, change: &Change) -> io::Result<()> {
        let is_of_programs = |life: &Life| life.region.memory.is_of_programs();
        match change {
            Change::Footprint { device, memory, bytes } => {
                self.pending.footprints.entry((*device, *memory)).or_default().0 = Some(*bytes);
            }
            Change::Born(life) if is_of_programs(life) => {
                self.pending.footprints.entry((life.region.device, life.region.memory)).or_default().1 += 1;
            }
            // The footprint tells of these.
            Change::Widened { life, .. } | Change::Gone(life) if is_of_programs(life) => {}
            Change::Born(life) => {
                let stack = self.stack(step.process, Source::of(step, life))?;
                self.pending.allocated.push((stack, life.region.size));
            }
            Change::Widened { life, before } => {
                let mut narrow = *life;
                narrow.region.size = *before;
                let stack = self.stack(step.process, Source::of(step, &narrow))?;
                self.pending.freed.push((stack, *before));
                let stack = self.stack(step.process, Source::of(step, life))?;
                self.pending.allocated.push((stack, life.region.size));
            }
            Change::Gone(life) => {
                let stack = self.stack(step.process, Source::of(step, life))?;
                self.pending.freed.push((stack, life.region.size));
            }
        }
        Ok(())
    }

    /// Turns what program memory did into what is allocated and freed. Each of them is one allocation; the first of an
    /// event has all that their union grew by.
    fn settle_footprints(&mut self, step: &Step<'_>) -> io::Result<()> {
        for (place, (bytes, born)) in std::mem::take(&mut self.pending.footprints) {
            let before = self.footprints.get(&place).copied().unwrap_or(0);
            let after = bytes.unwrap_or(before);
            self.footprints.insert(place, after);
            let stack = self.stack(step.process, Source::footprint(step, place))?;
            let mut buffers = born;
            if after > before {
                self.pending.allocated.push((stack, after - before));
                buffers = buffers.saturating_sub(1);
            } else if after < before {
                self.pending.freed.push((stack, before - after));
            }
            self.pending.allocated.extend((0..buffers).map(|_| (stack, 0)));
        }
        Ok(())
    }

    /// The event is over.
    fn settle(&mut self, step: &Step<'_>) -> io::Result<()> {
        self.settle_footprints(step)?;
        let Pending { time_ns, allocated, freed, .. } = std::mem::take(&mut self.pending);
        if !allocated.is_empty() || !freed.is_empty() {
            self.stamp(step.process, time_ns)?;
        }
        for (stack, size) in freed {
            let info = self.tables.info(stack, size, &mut self.output)?;
            writeln!(self.output, "- {info:x}")?;
        }
        self.allocations += allocated.len() as u64;
        for (stack, size) in allocated {
            let info = self.tables.info(stack, size, &mut self.output)?;
            writeln!(self.output, "+ {info:x}")?;
        }
        Ok(())
    }

    /// Milliseconds since the process began to report.
    fn stamp(&mut self, process: &ProcessInfo, time_ns: u64) -> io::Result<()> {
        let milliseconds = time_ns.saturating_sub(process.started_ns) / 1_000_000;
        if self.written_ms != Some(milliseconds) {
            self.written_ms = Some(milliseconds);
            writeln!(self.output, "c {milliseconds:x}")?;
        }
        Ok(())
    }
}

impl Exporter for Heaptrack<'_> {
    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        if step.index != self.process {
            return Ok(());
        }
        let is_end = matches!(step.kind, StepKind::End(_));
        if is_end || step.number != self.pending.number {
            self.settle(step)?;
        }
        if is_end {
            self.stamp(step.process, step.time_ns)?;
        }
        if let StepKind::Change(change) = step.kind {
            (self.pending.number, self.pending.time_ns) = (step.number, step.time_ns);
            self.change(step, change)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        self.output.finish()?;
        let mut notes = Vec::from_iter(one_process::note_on_others(self.steps, self.process));
        if self.allocations == 0 {
            notes.push("nothing was allocated".to_owned());
        }
        Ok(notes)
    }
}

/// heaptrack goes by the end of a file's name.
enum Compressor<'a> {
    Plain(&'a mut Output),
    Gzip(GzEncoder<&'a mut Output>),
}

impl<'a> Compressor<'a> {
    fn by_name(to: Option<&Path>, output: &'a mut Output) -> io::Result<Self> {
        match to.and_then(Path::extension).and_then(|end| end.to_str()) {
            Some("gz") => Ok(Self::Gzip(GzEncoder::new(output, Compression::default()))),
            Some("zst") => Err(io::Error::other("heaptrack would take it for zstd; give it a name that ends in .gz")),
            _ => Ok(Self::Plain(output)),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(gzip) => gzip.finish().map(drop),
        }
    }
}

impl Write for Compressor<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(output) => output.write(bytes),
            Self::Gzip(gzip) => gzip.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(output) => output.flush(),
            Self::Gzip(gzip) => gzip.flush(),
        }
    }
}
