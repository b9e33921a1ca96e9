//! A snapshot as `torch.cuda.memory._snapshot` makes it, for pytorch.org/memory_viz: what is live at the end, in segments
//! that their blocks tile, and the events that led there, device by device.
//!
//! The viewer goes back from the end, so the newest events are kept. It knows no overlap: program memory is left out.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
};

use ttmem_ledger::{Change, Life};
use ttmem_wire::{Event, EventKind, Memory, OnCore, flags};

use super::{
    Exporter, Output,
    address_space::{Extents, Range},
    one_process,
    pickle::Pickle,
};
use crate::replay::{Step, StepKind, Steps};

/// Device ids up to this are the viewer's numbers; where others occur, devices are numbered.
const MAX_DEVICE: i32 = 1 << 10;

/// Device, memory, allocator: what has addresses of its own.
type Space = (i32, Memory, u32);

pub(super) struct Snapshot<'a> {
    steps: &'a Steps,
    /// The viewer has one address space and one time, so it shows one process.
    process: usize,
    max_entries: usize,
    traces: BTreeMap<i32, VecDeque<Entry>>,
    dropped: u64,
    has_program_memory: bool,
    lives: Vec<Life>,
    output: &'a mut Output,
}

/// One event on one device.
#[derive(Clone, Copy, Debug)]
struct Entry {
    action: Action,
    memory: Memory,
    allocator: u32,
    address: u64,
    size: u64,
    per_bank: Option<u64>,
    time_ns: u64,
    site: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Alloc,
    Free,
    /// With the bytes that are free in each bank, where known.
    Refused(Option<u64>),
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(steps: &'a Steps, max_entries: usize, output: &'a mut Output) -> Self {
        Self {
            steps,
            process: one_process::busiest(steps),
            max_entries,
            traces: BTreeMap::new(),
            dropped: 0,
            has_program_memory: false,
            lives: Vec::new(),
            output,
        }
    }

    fn note(&mut self, device: i32, entry: Entry) {
        let trace = self.traces.entry(device).or_default();
        if trace.len() >= self.max_entries {
            self.dropped += 1;
            if trace.pop_front().is_none() {
                return;
            }
        }
        trace.push_back(entry);
    }

    fn life(&mut self, step: &Step<'_>, life: &Life, action: Action, size: u64) {
        let region = &life.region;
        if region.memory.is_of_programs() {
            self.has_program_memory = true;
            return;
        }
        let entry = Entry {
            action,
            memory: region.memory,
            allocator: life.allocator,
            address: region.address,
            size,
            per_bank: region.size_per_bank,
            time_ns: step.time_ns,
            site: region.site,
        };
        self.note(region.device, entry);
    }

    fn refused(&mut self, step: &Step<'_>, event: &Event, devices: &[i32], allocator: u32) {
        // PyTorch's viewer knows of one reason.
        let Some(memory) = event.memory.filter(|_| event.flags & flags::OTHER_REASON == 0) else { return };
        for &device in devices {
            let entry = Entry {
                action: Action::Refused(event.space.map(|space| space.free)),
                memory,
                allocator,
                address: 0,
                size: event.size,
                per_bank: event.size_per_bank,
                time_ns: step.time_ns,
                site: event.site,
            };
            self.note(device, entry);
        }
    }

    /// Where each space lies.
    fn ranges(&self) -> BTreeMap<Space, Range> {
        let mut extents: BTreeMap<Space, Extents> = BTreeMap::new();
        for (&device, trace) in &self.traces {
            for entry in trace.iter().filter(|entry| !matches!(entry.action, Action::Refused(_))) {
                let space = extents.entry((device, entry.memory, entry.allocator)).or_default();
                space.see(entry.address, entry.size, entry.per_bank);
            }
        }
        let mut live: HashMap<Space, Vec<(u64, u64, Option<u64>)>> = HashMap::new();
        for life in &self.lives {
            let (space, region) = (space_of(life), &life.region);
            extents.entry(space).or_default().see(region.address, region.size, region.size_per_bank);
            live.entry(space).or_default().push((region.address, region.size, region.size_per_bank));
        }
        let count = extents.len() as u64;
        let mut start = 1 << 20;
        let placed = extents.into_iter().map(|(space, extents)| {
            let range = extents.range(start, count, live.get(&space).map_or(&[], Vec::as_slice));
            start = range.next_start();
            (space, range)
        });
        placed.collect()
    }
}

fn space_of(life: &Life) -> Space {
    (life.region.device, life.region.memory, life.allocator)
}

impl Exporter for Snapshot<'_> {
    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        if step.index != self.process {
            return Ok(());
        }
        match &step.kind {
            StepKind::Change(Change::Born(life)) => self.life(step, life, Action::Alloc, life.region.size),
            StepKind::Change(Change::Gone(life)) => self.life(step, life, Action::Free, life.region.size),
            StepKind::Change(Change::Widened { life, before }) => {
                self.life(step, life, Action::Free, *before);
                self.life(step, life, Action::Alloc, life.region.size);
            }
            StepKind::Event { event, devices, allocator } if event.kind == EventKind::OutOfMemory => {
                self.refused(step, event, devices, *allocator);
            }
            StepKind::End(lives) => {
                self.lives = lives.iter().filter(|life| !life.region.memory.is_of_programs()).copied().collect();
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        let mut notes = Vec::from_iter(one_process::note_on_others(self.steps, self.process));
        if self.dropped > 0 {
            let dropped = self.dropped;
            notes.push(format!("the oldest {dropped} events are left out (--max-entries, a device)"));
        }
        if self.has_program_memory {
            notes.push("program memory is left out: it overlaps, which this viewer does not know".to_owned());
        }
        let ranges = self.ranges();
        let Self { steps, process, traces, lives, output, .. } = *self;
        let mut writer = Writer {
            pickle: Pickle::begin(output)?,
            frames: HashMap::new(),
            numbers: device_numbers(ranges.keys().map(|space| space.0).chain(traces.keys().copied())),
            steps,
            process,
        };
        writer.snapshot(&ranges, &traces, &lives)?;
        writer.pickle.end()?;
        Ok(notes)
    }
}

/// The viewer's numbers of devices: lists are by number, so they must be small.
fn device_numbers(devices: impl Iterator<Item = i32>) -> BTreeMap<i32, u64> {
    let mut numbers: BTreeMap<i32, u64> = devices.map(|device| (device, 0)).collect();
    let are_small = numbers.keys().all(|device| (0..=MAX_DEVICE).contains(device));
    for (at, (&device, number)) in numbers.iter_mut().enumerate() {
        *number = if are_small { device as u64 } else { at as u64 };
    }
    numbers
}

struct Writer<'a> {
    pickle: Pickle<&'a mut Output>,
    /// Lists of frames that were written, by site, memory and size.
    frames: HashMap<(u32, Memory, u64), u32>,
    numbers: BTreeMap<i32, u64>,
    steps: &'a Steps,
    process: usize,
}

impl Writer<'_> {
    fn snapshot(
        &mut self,
        ranges: &BTreeMap<Space, Range>,
        traces: &BTreeMap<i32, VecDeque<Entry>>,
        lives: &[Life],
    ) -> io::Result<()> {
        self.pickle.begin_dictionary()?;
        self.pickle.text("segments")?;
        self.pickle.empty_list()?;
        for ((space, range), stream) in ranges.iter().zip(0..) {
            let first = lives.partition_point(|life| space_of(life) < *space);
            let count = lives[first..].partition_point(|life| space_of(life) == *space);
            self.segment(space, range, stream, &lives[first..first + count])?;
            self.pickle.append()?;
        }
        self.pickle.text("device_traces")?;
        self.pickle.empty_list()?;
        let by_number: BTreeMap<u64, i32> = self.numbers.iter().map(|(&device, &number)| (number, device)).collect();
        let streams: BTreeMap<Space, u64> = ranges.keys().copied().zip(0..).collect();
        for number in 0..=by_number.last_key_value().map_or(0, |(&last, _)| last) {
            self.pickle.empty_list()?;
            let device = by_number.get(&number).copied();
            for (device, entry) in device
                .into_iter()
                .flat_map(|device| traces.get(&device).into_iter().flatten().map(move |entry| (device, entry)))
            {
                let space = (device, entry.memory, entry.allocator);
                let stream = streams.get(&space).copied().unwrap_or(0);
                self.entry(entry, ranges.get(&space), stream)?;
            }
            self.pickle.append()?;
        }
        self.pickle.text("allocator_settings")?;
        self.pickle.begin_dictionary()?;
        self.pickle.end_dictionary()?;
        self.pickle.end_dictionary()
    }

    fn segment(&mut self, space: &Space, range: &Range, stream: u64, lives: &[Life]) -> io::Result<()> {
        let (device, memory, allocator) = *space;
        let blocks: Vec<_> = lives
            .iter()
            .map(|life| (life, range.block(life.region.address, life.region.size, life.region.size_per_bank)))
            .collect();
        let allocated = blocks.iter().map(|(_, block)| block.length).sum();
        let requested = blocks.iter().map(|(_, block)| block.size).sum();
        let device = self.numbers.get(&device).copied().unwrap_or(0);
        self.pickle.begin_dictionary()?;
        for (name, value) in [
            ("device", device),
            ("address", range.start),
            ("total_size", range.length),
            ("allocated_size", allocated),
            ("active_size", allocated),
            ("requested_size", requested),
            ("stream", stream),
        ] {
            self.item(name, value)?;
        }
        self.pickle.text("segment_type")?;
        self.pickle.text("large")?;
        self.pickle.text("is_expandable")?;
        self.pickle.bool(false)?;
        self.pickle.text("frames")?;
        let allocator = match OnCore::from_code(allocator) {
            Some(OnCore::At { x, y }) => format!(", core {x}-{y}"),
            Some(OnCore::Unknown) => ", unknown cores".to_owned(),
            None if allocator == 0 => String::new(),
            None => format!(", allocator {allocator}"),
        };
        self.new_frames(&[format!("memory {memory}{allocator}")])?;
        self.pickle.text("blocks")?;
        self.pickle.empty_list()?;
        let mut at = range.start;
        for (life, block) in &blocks {
            self.gap(at, block.address)?;
            self.pickle.begin_dictionary()?;
            self.item("address", block.address)?;
            self.item("size", block.length)?;
            self.item("requested_size", block.size)?;
            self.pickle.text("state")?;
            self.pickle.text("active_allocated")?;
            self.pickle.text("frames")?;
            self.frames(life.region.site, life.region.memory, life.region.size)?;
            self.pickle.end_dictionary()?;
            self.pickle.append()?;
            at = block.address + block.length;
        }
        self.gap(at, range.start + range.length)?;
        self.pickle.end_dictionary()
    }

    /// A block that nobody has.
    fn gap(&mut self, from: u64, to: u64) -> io::Result<()> {
        if from >= to {
            return Ok(());
        }
        self.pickle.begin_dictionary()?;
        self.item("address", from)?;
        self.item("size", to - from)?;
        self.item("requested_size", 0)?;
        self.pickle.text("state")?;
        self.pickle.text("inactive")?;
        self.pickle.text("frames")?;
        self.pickle.empty_list()?;
        self.pickle.end_dictionary()?;
        self.pickle.append()
    }

    /// Appends an event to the list on top.
    fn entry(&mut self, entry: &Entry, range: Option<&Range>, stream: u64) -> io::Result<()> {
        let actions: &[&str] = match entry.action {
            Action::Alloc => &["alloc"],
            Action::Free => &["free_requested", "free_completed"],
            Action::Refused(_) => &["oom"],
        };
        let block = range.map(|range| range.block(entry.address, entry.size, entry.per_bank));
        for action in actions {
            self.pickle.begin_dictionary()?;
            self.pickle.text("action")?;
            self.pickle.text(action)?;
            if let Action::Refused(free) = entry.action {
                let banks = range.map_or(1, |range| range.banks);
                self.item("addr", 0)?;
                self.item("size", entry.size.min(1 << 52))?;
                self.item("device_free", free.unwrap_or(0).saturating_mul(banks).min(1 << 52))?;
            } else if let Some(block) = block {
                self.item("addr", block.address)?;
                self.item("size", block.size)?;
            }
            self.item("stream", stream)?;
            self.item("time_us", entry.time_ns / 1000)?;
            self.pickle.text("frames")?;
            self.frames(entry.site, entry.memory, entry.size)?;
            self.pickle.end_dictionary()?;
            self.pickle.append()?;
        }
        Ok(())
    }

    fn item(&mut self, name: &str, value: u64) -> io::Result<()> {
        self.pickle.text(name)?;
        self.pickle.number(value)
    }

    /// The stack of a region, or memory and size in its place.
    fn frames(&mut self, site: u32, memory: Memory, size: u64) -> io::Result<()> {
        let frames = self.steps.processes().get(self.process).map_or(&[][..], |process| process.frames(site));
        let key = if frames.is_empty() { (0, memory, size) } else { (site, memory, 0) };
        if let Some(&at) = self.frames.get(&key) {
            return self.pickle.again(at);
        }
        let at = match frames {
            [] => self.new_frames(&[format!("size {size}"), format!("memory {memory}")])?,
            frames => {
                let frames = frames.to_vec();
                self.new_frames(&frames)?
            }
        };
        self.frames.insert(key, at);
        Ok(())
    }

    fn new_frames(&mut self, names: &[String]) -> io::Result<u32> {
        self.pickle.empty_list()?;
        let at = self.pickle.memoize()?;
        for name in names {
            self.pickle.begin_dictionary()?;
            self.pickle.text("name")?;
            self.pickle.text(name)?;
            self.pickle.text("filename")?;
            self.pickle.text("")?;
            self.item("line", 0)?;
            self.pickle.end_dictionary()?;
            self.pickle.append()?;
        }
        Ok(at)
    }
}
