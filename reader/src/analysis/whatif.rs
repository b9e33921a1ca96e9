//! What a program's allocations would have come to with another policy, a bank of another size, or without some of them.
//!
//! Each allocator is replayed twice side by side. The first replay puts every allocation where it was, and checks that tt-metal's
//! policy puts it there. The second places the same requests as the question says. What the program would have done after a
//! request that fits now, or fits no longer, is not known: both replays go on with the recorded events.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
};

use ttmem_ledger::{Bank, Change, FreeList, Life, LiveRegion, Policy, Side};
use ttmem_wire::{Event, EventKind, Memory, flags};

use crate::{
    Failure,
    replay::{At, ProcessInfo, Step, StepKind, Steps, Stopped},
};

/// Refused requests of a memory that are kept; all are counted.
const LISTED: usize = 100;

/// What is to be different.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// How requests are placed.
    pub policy: Policy,
    /// Bytes of each bank of a memory, where they are to be others. A bank that is filled from its top keeps its upper end.
    pub sizes: BTreeMap<Memory, u64>,
    /// Call sites that allocate nothing: what is in the op, or in a frame.
    pub without: Vec<String>,
    /// Call sites that free what they allocated before when they allocate again.
    pub free_early: Vec<String>,
}

/// What one process's allocations would have come to.
#[derive(Clone, Debug)]
pub struct WhatIf {
    /// Its process id, for display.
    pub pid: u32,
    /// Its command line.
    pub command: Vec<String>,
    /// Its memories, by allocator.
    pub memories: Vec<PlacedMemory>,
}

/// One memory of one allocator.
#[derive(Clone, Debug)]
pub struct PlacedMemory {
    /// The devices of the allocator.
    pub devices: Vec<i32>,
    /// Which memory.
    pub memory: Memory,
    /// Bytes of a bank, as it was and as it would be.
    pub capacity: [u64; 2],
    /// Allocations whose place is known.
    pub allocations: u64,
    /// Of these, those that lie where tt-metal's policy puts them.
    pub as_predicted: u64,
    /// Allocations that are in neither replay: each core has addresses of its own, or the bytes of each bank are not known.
    pub left_out: u64,
    /// How it was, and how it would have been.
    pub courses: [Course; 2],
    /// Requests that were refused.
    pub refused: Vec<RefusedRequest>,
    /// How many of all of them would fit.
    pub refused_that_fit: u64,
    /// Requests that were not refused, and would be.
    pub newly_refused: Vec<RefusedRequest>,
}

/// How full a memory was over time, in bytes of each bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// The most that was in use.
    pub peak: u64,
    /// The smallest that the largest free block ever was: a request of so many bytes would always have fitted.
    pub least_block: u64,
    /// How many requests found no block.
    pub refusals: u64,
}

/// A request that an allocator refused, or would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRequest {
    /// Bytes on a device.
    pub size: u64,
    /// Bytes in each bank.
    pub per_bank: u64,
    /// When: ns since 1970.
    pub at_ns: u64,
    /// The operation of ttnn, and the frames, innermost first; empty where they are not known.
    pub op: String,
    /// The same.
    pub frames: Vec<String>,
    /// Whether it would fit.
    pub fits: bool,
    /// The largest free block then, as it would be.
    pub largest_block: u64,
}

/// Replays an input for a question.
///
/// # Errors
/// If the input cannot be read, lacks its first events, or a call site of the question made nothing.
pub fn what_if(steps: &Steps, question: &Question) -> Result<Vec<WhatIf>, Failure> {
    if steps.restored() > 0 {
        return Err(Failure::new("the ring has no longer its first events; record the program with `ttmem record`"));
    }
    let mut replays: HashMap<usize, Replay<'_>> = HashMap::new();
    let mut each = |step: &Step<'_>| {
        replays.entry(step.index).or_insert_with(|| Replay::new(question)).take(step);
        Ok(())
    };
    steps.run(&At::Exit, &mut each).map_err(|why| match why {
        Stopped::Reading(failure) => failure,
        other => Failure::new(format!("the replay stopped: {other:?}")),
    })?;
    for pattern in question.without.iter().chain(&question.free_early) {
        if !replays.values().any(|replay| replay.matched.contains(pattern.as_str())) {
            return Err(Failure::new(format!(
                "{pattern:?}: no allocation was made there; `ttmem report --by site` lists sites"
            )));
        }
    }
    let of_process = steps.chosen().filter_map(|(index, process)| Some(replays.remove(&index)?.finish(process)));
    Ok(of_process.filter(|one| !one.memories.is_empty()).collect())
}

/// The allocator, or the device where none is known; and the memory.
type Key = (u32, i32, Memory);

struct Replay<'a> {
    question: &'a Question,
    spaces: BTreeMap<Key, Space>,
    /// What the question says of a call site.
    rules: HashMap<u32, Rule>,
    matched: HashSet<&'a str>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rule {
    is_left_out: bool,
    frees_early: bool,
}

impl<'a> Replay<'a> {
    fn new(question: &'a Question) -> Self {
        Self { question, spaces: BTreeMap::new(), rules: HashMap::new(), matched: HashSet::new() }
    }

    fn take(&mut self, step: &Step<'_>) {
        match step.kind {
            StepKind::Event { event, devices, allocator } if event.kind == EventKind::Capacity => {
                self.learn(event, devices, allocator);
            }
            StepKind::Event { event, devices, allocator } if event.kind == EventKind::OutOfMemory => {
                if let (Some(&device), Some(memory)) = (devices.first(), event.memory)
                    && let Some(space) = self.spaces.get_mut(&key(allocator, device, memory))
                {
                    space.refuse(event, step, self.question.policy);
                }
            }
            StepKind::Change(Change::Born(life)) if !life.region.memory.is_of_programs() => self.allocate(life, step),
            StepKind::Change(Change::Gone(life)) => {
                if let Some(space) = self.spaces.get_mut(&key_of(life)) {
                    space.free(life.region.address);
                }
            }
            _ => {}
        }
    }

    fn learn(&mut self, event: &Event, devices: &[i32], allocator: u32) {
        let (Some(&device), Some(memory)) = (devices.first(), event.memory) else { return };
        let bank = Bank { base: event.address, bytes: event.size, banks: event.extra };
        // Each device of its own, or all of an allocator at once.
        let devices = if allocator == 0 { &devices[..1] } else { devices };
        let known = self.spaces.get(&key(allocator, device, memory));
        if bank.bytes > 0 && bank.banks > 0 && known.is_none_or(|known| known.was.list.bank != bank) {
            let other = self.question.sizes.get(&memory).copied().unwrap_or(bank.bytes);
            let space = Space::new(devices.to_vec(), memory, bank, other);
            self.spaces.insert(key(allocator, device, memory), space);
        }
    }

    fn allocate(&mut self, life: &Life, step: &Step<'_>) {
        let rule = self.rule(life.region.site, step.process);
        if let Some(space) = self.spaces.get_mut(&key_of(life)) {
            space.allocate(&life.region, rule, step, self.question.policy);
        }
    }

    fn rule(&mut self, site: u32, process: &ProcessInfo) -> Rule {
        if let Some(&known) = self.rules.get(&site) {
            return known;
        }
        let (op, frames) = (process.op(site), process.frames(site));
        let mut matches = |patterns: &'a [String]| {
            let is_of = |pattern: &&String| {
                op.contains(pattern.as_str()) || frames.iter().any(|frame| frame.contains(pattern.as_str()))
            };
            let found: Vec<&str> = patterns.iter().filter(is_of).map(String::as_str).collect();
            self.matched.extend(&found);
            !found.is_empty()
        };
        let rule =
            Rule { is_left_out: matches(&self.question.without), frees_early: matches(&self.question.free_early) };
        self.rules.insert(site, rule);
        rule
    }

    fn finish(self, process: &ProcessInfo) -> WhatIf {
        let used = self
            .spaces
            .into_values()
            .filter(|space| space.allocations + space.left_out + space.was.course.refusals > 0);
        let memories = used.map(Space::finish).collect();
        WhatIf { pid: process.pid, command: process.command.clone(), memories }
    }
}

fn key(allocator: u32, device: i32, memory: Memory) -> Key {
    (allocator, if allocator == 0 { device } else { 0 }, memory)
}

fn key_of(life: &Life) -> Key {
    key(life.allocator, life.region.device, life.region.memory)
}

/// A memory of an allocator, as it was and as it would be.
struct Space {
    devices: Vec<i32>,
    memory: Memory,
    was: Placement,
    would: Placement,
    /// By the recorded address, what is where in each replay.
    live: BTreeMap<u64, Placed>,
    allocations: u64,
    as_predicted: u64,
    left_out: u64,
    refused: Vec<RefusedRequest>,
    fitting: u64,
    newly_refused: Vec<RefusedRequest>,
}

struct Placed {
    site: u32,
    was: Range<u64>,
    would: Option<Range<u64>>,
}

/// The free blocks of one replay, and what they came to.
struct Placement {
    list: FreeList,
    in_use: u64,
    course: Course,
}

impl Placement {
    fn new(bank: Bank) -> Self {
        Self {
            list: FreeList::empty(bank),
            in_use: 0,
            course: Course { peak: 0, least_block: bank.bytes, refusals: 0 },
        }
    }

    fn take(&mut self, range: Range<u64>) {
        self.in_use += range.end - range.start;
        self.list.take(range);
        self.course.peak = self.course.peak.max(self.in_use);
        self.course.least_block = self.course.least_block.min(self.list.largest_block());
    }

    fn give_back(&mut self, range: Range<u64>) {
        self.in_use = self.in_use.saturating_sub(range.end - range.start);
        self.list.give_back(range);
    }
}

impl Space {
    fn new(devices: Vec<i32>, memory: Memory, bank: Bank, bytes: u64) -> Self {
        let base = match Side::of(memory) {
            Side::Bottom => bank.base,
            Side::Top => bank.base.saturating_add(bank.bytes).saturating_sub(bytes),
        };
        Self {
            devices,
            memory,
            was: Placement::new(bank),
            would: Placement::new(Bank { base, bytes, ..bank }),
            live: BTreeMap::new(),
            allocations: 0,
            as_predicted: 0,
            left_out: 0,
            refused: Vec::new(),
            fitting: 0,
            newly_refused: Vec::new(),
        }
    }

    fn allocate(&mut self, region: &LiveRegion, rule: Rule, step: &Step<'_>, policy: Policy) {
        if region.preallocated || self.live.contains_key(&region.address) {
            // It takes no memory; or it is the same on another chip of the allocator.
            return;
        }
        let Some(bytes) = region.size_per_bank.filter(|&bytes| bytes > 0 && region.core.is_none()) else {
            self.left_out += 1;
            return;
        };
        self.allocations += 1;
        let usual = Side::of(self.memory);
        let sides = [usual, usual.other()];
        let found =
            sides.into_iter().find(|&side| self.was.list.find(bytes, Policy::FirstFit, side) == Some(region.address));
        self.as_predicted += u64::from(found.is_some());
        let was = region.address..region.address.saturating_add(bytes);
        self.was.take(was.clone());
        if rule.frees_early {
            self.free_early(region.site);
        }
        let side = found.unwrap_or(usual);
        let would = if rule.is_left_out { None } else { self.would.list.find(bytes, policy, side) };
        let would = would.map(|address| address..address + bytes);
        match &would {
            Some(range) => self.would.take(range.clone()),
            None if rule.is_left_out => {}
            None => {
                self.would.course.refusals += 1;
                if self.newly_refused.len() < LISTED {
                    let request = self.request(region.size, bytes, region.site, step);
                    self.newly_refused.push(request);
                }
            }
        }
        self.live.insert(region.address, Placed { site: region.site, was, would });
    }

    /// Frees what a call site has allocated before, in the second replay.
    fn free_early(&mut self, site: u32) {
        for placed in self.live.values_mut().filter(|placed| placed.site == site) {
            if let Some(range) = placed.would.take() {
                self.would.give_back(range);
            }
        }
    }

    fn free(&mut self, address: u64) {
        if let Some(placed) = self.live.remove(&address) {
            self.was.give_back(placed.was);
            placed.would.into_iter().for_each(|range| self.would.give_back(range));
        }
    }

    fn refuse(&mut self, event: &Event, step: &Step<'_>, policy: Policy) {
        let Some(bytes) = event.size_per_bank.filter(|_| event.flags & flags::OTHER_REASON == 0) else { return };
        self.was.course.refusals += 1;
        let fits = self.would.list.find(bytes, policy, Side::of(self.memory)).is_some();
        self.fitting += u64::from(fits);
        self.would.course.refusals += u64::from(!fits);
        if self.refused.len() < LISTED {
            let request = self.request(event.size, bytes, event.site, step);
            self.refused.push(RefusedRequest { fits, ..request });
        }
    }

    fn request(&self, size: u64, per_bank: u64, site: u32, step: &Step<'_>) -> RefusedRequest {
        RefusedRequest {
            size,
            per_bank,
            at_ns: step.time_ns,
            op: step.process.op(site).to_owned(),
            frames: step.process.frames(site).to_vec(),
            fits: false,
            largest_block: self.would.list.largest_block(),
        }
    }

    fn finish(self) -> PlacedMemory {
        PlacedMemory {
            devices: self.devices,
            memory: self.memory,
            capacity: [self.was.list.bank.bytes, self.would.list.bank.bytes],
            allocations: self.allocations,
            as_predicted: self.as_predicted,
            left_out: self.left_out,
            courses: [self.was.course, self.would.course],
            refused: self.refused,
            refused_that_fit: self.fitting,
            newly_refused: self.newly_refused,
        }
    }
}
