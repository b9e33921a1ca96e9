//! What flame graphs show: bytes and objects by stack.

use std::collections::{BTreeMap, HashMap};

use clap::ValueEnum;
use ttmem_ledger::{Change, Life};
use ttmem_wire::Memory;

use crate::{
    replay::{ProcessInfo, Step, StepKind, Steps},
    report::program_memory,
};

/// Stacks that are told apart. A program without call sites that asks for ever other sizes must not fill the memory.
pub(super) const MAX_STACKS: usize = 1 << 18;

/// What a stack is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Value {
    /// Bytes that are live at the moment.
    LiveBytes,
    /// Allocations that are live at the moment.
    LiveObjects,
    /// Bytes of all allocations that were ever live.
    AllocatedBytes,
    /// All allocations that were ever live.
    AllocatedObjects,
}

/// All four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) live_bytes: u64,
    pub(super) live_objects: u64,
    pub(super) allocated_bytes: u64,
    pub(super) allocated_objects: u64,
}

impl Tally {
    pub(super) fn value(&self, value: Value) -> u64 {
        match value {
            Value::LiveBytes => self.live_bytes,
            Value::LiveObjects => self.live_objects,
            Value::AllocatedBytes => self.allocated_bytes,
            Value::AllocatedObjects => self.allocated_objects,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.live_bytes = self.live_bytes.saturating_add(other.live_bytes);
        self.live_objects += other.live_objects;
        self.allocated_bytes = self.allocated_bytes.saturating_add(other.allocated_bytes);
        self.allocated_objects += other.allocated_objects;
    }
}

/// Where bytes come from. The order is that of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Source {
    /// The process, by its place in [`Steps::processes`].
    pub(super) process: usize,
    pub(super) device: i32,
    pub(super) memory: Memory,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// A call site that is known.
    Site(u32),
    /// None is: the size stands in for it.
    Size(u64),
    /// One size too many.
    OtherSizes,
    /// What a kind of program memory takes of L1 together.
    Footprint,
}

/// Everything by stack.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    tallies: HashMap<Source, Tally>,
}

impl Stacks {
    pub(super) fn step(&mut self, step: &Step<'_>) {
        match &step.kind {
            StepKind::Change(Change::Born(life)) => {
                let tally = self.of(step, life);
                tally.allocated_objects += 1;
                tally.allocated_bytes = tally.allocated_bytes.saturating_add(life.region.size);
            }
            StepKind::Change(Change::Widened { life, before }) => {
                let tally = self.of(step, life);
                tally.allocated_bytes = tally.allocated_bytes.saturating_add(life.region.size - before);
            }
            StepKind::Moment { lives, footprints } => {
                for life in *lives {
                    let tally = self.of(step, life);
                    tally.live_objects += 1;
                    // Program memory overlaps: its bytes are in the footprint.
                    if !life.region.memory.is_of_programs() {
                        tally.live_bytes = tally.live_bytes.saturating_add(life.region.size);
                    }
                }
                for (&place, &bytes) in footprints.iter().filter(|&(_, &bytes)| bytes > 0) {
                    self.tallies.entry(Source::footprint(step, place)).or_default().live_bytes = bytes;
                }
            }
            _ => {}
        }
    }

    fn of(&mut self, step: &Step<'_>, life: &Life) -> &mut Tally {
        let mut source = Source::of(step, life);
        if self.tallies.len() >= MAX_STACKS && !self.tallies.contains_key(&source) {
            source = source.among_others();
        }
        self.tallies.entry(source).or_default()
    }

    /// In a fixed order.
    pub(super) fn sorted(self) -> BTreeMap<Source, Tally> {
        self.tallies.into_iter().collect()
    }

    /// Stacks as flame graphs show them, the outermost frame first: devices are added up.
    pub(super) fn by_frames(self, steps: &Steps) -> BTreeMap<Vec<String>, Tally> {
        let are_many = steps.chosen().count() > 1;
        let mut stacks: BTreeMap<Vec<String>, Tally> = BTreeMap::new();
        for (source, tally) in self.sorted() {
            let process = &steps.processes()[source.process];
            let mut frames: Vec<String> = are_many.then(|| process_name(process)).into_iter().collect();
            frames.extend(source.frames(process).into_iter().rev());
            stacks.entry(frames).or_default().add(&tally);
        }
        stacks
    }
}

impl Source {
    pub(super) fn of(step: &Step<'_>, life: &Life) -> Self {
        let region = &life.region;
        let kind = match step.process.frames(region.site) {
            [] => Kind::Size(region.size),
            _ => Kind::Site(region.site),
        };
        Self { process: step.index, device: region.device, memory: region.memory, kind }
    }

    /// A kind of program memory of a device.
    pub(super) fn footprint(step: &Step<'_>, (device, memory): (i32, Memory)) -> Self {
        Self { process: step.index, device, memory, kind: Kind::Footprint }
    }

    /// One of those that there is no room to tell apart.
    pub(super) fn among_others(self) -> Self {
        Self { kind: Kind::OtherSizes, ..self }
    }

    /// The innermost first. Where no call site is known, memory and size stand in for it.
    pub(super) fn frames(&self, process: &ProcessInfo) -> Vec<String> {
        let memory = || format!("memory {}", self.memory);
        match self.kind {
            Kind::Site(site) => process.frames(site).to_vec(),
            Kind::Size(size) => vec![format!("size {size}"), memory()],
            Kind::OtherSizes => vec!["other sizes".to_owned(), memory()],
            Kind::Footprint => vec![format!("{} together", program_memory(self.memory)), memory()],
        }
    }
}

/// A process as a frame, or as the name of a track.
pub(super) fn process_name(process: &ProcessInfo) -> String {
    format!("{} (pid {})", crate::report::shorten(&process.command.join(" "), 200), process.pid)
}

/// A sentence for those who look at an empty picture.
pub(super) fn note_if_empty(is_empty: bool) -> Vec<String> {
    let sentence = "nothing is live at that moment; --at peak shows the fullest one";
    if is_empty { vec![sentence.to_owned()] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ttmem_ledger::{LiveRegion, State};

    use super::*;

    fn life(site: u32, size: u64) -> Life {
        let region = LiveRegion {
            device: 0,
            memory: Memory::L1,
            address: 64,
            size,
            size_per_bank: None,
            core: None,
            holders: 1,
            reports: 1,
            state: State::Live,
            allocated_at_ticks: 0,
            thread: 1,
            site,
            tensor: 0,
            num_cores: 0,
            globally_allocated: false,
            preallocated: false,
            cached: false,
        };
        Life { region, allocator: 0, program: 0 }
    }

    #[test]
    fn a_known_call_site_is_the_stack_and_else_memory_and_size_are() {
        let frames = ["forward model.py:7", "main model.py:99"].map(str::to_owned);
        let process = ProcessInfo::with_sites(HashMap::from([(3, frames.to_vec())]));
        let mut stacks = Stacks::default();
        let lives = [life(3, 100), life(3, 200), life(0, 50), life(9, 50)];
        let footprints = BTreeMap::from([((0, Memory::CircularBuffer), 4096)]);
        let kind = StepKind::Moment { lives: &lives, footprints: &footprints };
        stacks.step(&Step { process: &process, index: 0, time_ns: 0, number: 0, kind });
        let sorted = stacks.sorted();
        let told: Vec<_> = sorted.iter().map(|(source, tally)| (source.frames(&process), tally.live_bytes)).collect();
        let named = |frames: [&str; 2]| frames.map(str::to_owned).to_vec();
        assert_eq!(
            told,
            [
                (frames.to_vec(), 300),
                (named(["size 50", "memory L1"]), 100),
                (named(["circular buffers together", "memory CB"]), 4096),
            ]
        );
    }
}
