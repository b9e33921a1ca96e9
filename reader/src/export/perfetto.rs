//! A trace for ui.perfetto.dev: protobuf, one packet after the other (<https://perfetto.dev/docs/reference/synthetic-track-event>).
//!
//! Each device is a track of its process. Below it lie, for each memory, a counter of its live bytes and the lifetimes of
//! its allocations. Beside the devices lie the regions of the program, by thread. Slices on one track must be nested, and lifetimes are not: so each is drawn on a track that is free, and
//! tracks of one name are shown as one.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io::{self, Write},
};

use prost::Message;
use ttmem_ledger::{Change, Life, Span, State, narrow};
use ttmem_wire::{Event, EventKind, flags};

use super::{
    Exporter, Output,
    lanes::{Lanes, Place, RegionLanes},
    newborns::{Newborn, Newborns},
    perfetto_proto::{
        Clock, ClockSnapshot, Counter, DebugAnnotation, InternedData, Name, Process, TracePacket, Track, TrackEvent,
        clocks, counter, event, sequence,
    },
    stacks::process_name,
};
use crate::{
    replay::{LiveBytes, ProcessInfo, Step, StepKind, Steps},
    report::bytes,
};

/// Names of slices that are written once and named by number; later ones are written each time.
const MAX_NAMES: usize = 1 << 16;

pub(super) struct Perfetto<'a> {
    output: &'a mut Output,
    buffer: Vec<u8>,
    sums: Vec<LiveBytes>,
    lanes: Lanes,
    regions: RegionLanes,
    newborns: Newborns,
    /// Tracks of lives whose tensor is written.
    described: HashSet<u64>,
    tracks: HashMap<TrackOf, u64>,
    names: HashMap<String, u64>,
    /// Sums that the event at work changed, and when: each is written once, after the event.
    changed: BTreeSet<Place>,
    changed_at: u64,
    /// Which event of which process.
    changed_by: (usize, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum TrackOf {
    Process(usize),
    Marks(usize),
    Refusals(usize),
    Device(usize, i32),
    Counter(Place),
    Lane(Place, u32),
    /// Of a process and a thread.
    Regions(usize, u32, u32),
}

/// The names of arguments, by number from 1.
const ARGUMENTS: [&str; 14] = [
    "op",
    "tensor",
    "address",
    "size",
    "size_per_bank",
    "thread",
    "site",
    "released_at_close",
    "cached",
    "memory",
    "devices",
    "free_per_bank",
    "largest_free_block",
    "left_behind",
];

impl<'a> Perfetto<'a> {
    pub(super) fn begin(steps: &Steps, max_lanes: usize, output: &'a mut Output) -> io::Result<Self> {
        let mut made = Self {
            output,
            buffer: Vec::new(),
            sums: vec![LiveBytes::default(); steps.processes().len()],
            lanes: Lanes::new(max_lanes),
            regions: RegionLanes::default(),
            newborns: Newborns::default(),
            described: HashSet::new(),
            tracks: HashMap::new(),
            names: HashMap::new(),
            changed: BTreeSet::new(),
            changed_at: 0,
            changed_by: (0, 0),
        };
        let names = ARGUMENTS.iter().zip(1..).map(|(&name, iid)| Name { iid, name: name.to_owned() }).collect();
        let interned_data = Some(InternedData { event_names: Vec::new(), debug_annotation_names: names });
        made.write(TracePacket { sequence_flags: sequence::CLEARED, interned_data, ..TracePacket::default() })?;
        // Times are those of the wall clock; a trace counts from its boot. That both are the same lets the viewer show dates.
        let start = steps.chosen().map(|(_, process)| process.started_ns).min().unwrap_or(0);
        let clocks = [clocks::BOOTTIME, clocks::REALTIME].map(|clock_id| Clock { clock_id, timestamp: start });
        let clock_snapshot = Some(ClockSnapshot { clocks: clocks.into() });
        made.write(TracePacket { timestamp: Some(start), clock_snapshot, ..TracePacket::default() })?;
        for (index, process) in steps.chosen() {
            made.process_track(index, process)?;
        }
        Ok(made)
    }

    fn write(&mut self, mut packet: TracePacket) -> io::Result<()> {
        self.buffer.clear();
        // The field `packet` of a Trace.
        self.buffer.push(1 << 3 | 2);
        packet.trusted_packet_sequence_id = 1;
        packet.encode_length_delimited(&mut self.buffer)?;
        self.output.write_all(&self.buffer)
    }

    fn event(&mut self, time_ns: u64, track_event: TrackEvent, interned_data: Option<InternedData>) -> io::Result<()> {
        self.write(TracePacket {
            timestamp: Some(time_ns),
            track_event: Some(track_event),
            interned_data,
            sequence_flags: sequence::NEEDS,
            ..TracePacket::default()
        })
    }

    fn process_track(&mut self, index: usize, process: &ProcessInfo) -> io::Result<u64> {
        let named =
            Process { pid: process.pid as i32, cmdline: process.command.clone(), process_name: process_name(process) };
        self.track(TrackOf::Process(index), || (None, String::new(), Some(named), None))
    }

    /// The number of a track, which is described when it is first asked for.
    fn track(
        &mut self,
        of: TrackOf,
        describe: impl FnOnce() -> (Option<u64>, String, Option<Process>, Option<Counter>),
    ) -> io::Result<u64> {
        if let Some(&uuid) = self.tracks.get(&of) {
            return Ok(uuid);
        }
        let uuid = self.tracks.len() as u64 + 1;
        let (parent_uuid, name, process, counter) = describe();
        let name = Some(name).filter(|name| !name.is_empty());
        let track_descriptor = Some(Track { uuid, name, process, parent_uuid, counter });
        self.write(TracePacket { track_descriptor, ..TracePacket::default() })?;
        self.tracks.insert(of, uuid);
        Ok(uuid)
    }

    fn device_track(&mut self, index: usize, device: i32) -> io::Result<u64> {
        let parent = self.tracks.get(&TrackOf::Process(index)).copied();
        self.track(TrackOf::Device(index, device), || (parent, format!("device {device}"), None, None))
    }

    fn write_sums(&mut self) -> io::Result<()> {
        while let Some(place) = self.changed.pop_first() {
            let (index, device, memory) = place;
            let parent = self.device_track(index, device)?;
            let track_uuid = self.track(TrackOf::Counter(place), || {
                let counter = Counter { unit: counter::SIZE_BYTES };
                (Some(parent), format!("{memory} live bytes"), None, Some(counter))
            })?;
            let value = i64::try_from(self.sums[index].of(device, memory)).unwrap_or(i64::MAX);
            let event =
                TrackEvent { kind: event::COUNTER, track_uuid, counter_value: Some(value), ..TrackEvent::default() };
            self.event(self.changed_at, event, None)?;
        }
        Ok(())
    }

    fn begin_life(&mut self, step: &Step<'_>, life: &Life) -> io::Result<()> {
        let Some(lane) = self.lanes.take(step.index, life) else { return Ok(()) };
        let region = &life.region;
        let parent = self.device_track(step.index, region.device)?;
        let place = (step.index, region.device, region.memory);
        let track = self.track(TrackOf::Lane(place, lane), || {
            (Some(parent), format!("{} allocations", region.memory), None, None)
        })?;
        self.newborns.add(step.index, step.number, Newborn { life: *life, track, time_ns: step.time_ns });
        Ok(())
    }

    fn write_newborn(&mut self, process: &ProcessInfo, newborn: Newborn) -> io::Result<()> {
        let Newborn { life, track: track_uuid, time_ns } = newborn;
        let region = &life.region;
        let frames = process.frames(region.site);
        let mut arguments = vec![
            pointer("address", region.address),
            number("size", region.size),
            number("thread", u64::from(region.thread)),
        ];
        arguments.extend(region.size_per_bank.map(|bytes| number("size_per_bank", bytes)));
        if !frames.is_empty() {
            arguments.push(text("site", frames.join("\n")));
        }
        arguments.extend(known("op", process.op(region.site)));
        let tensor = known("tensor", process.tensor(region.tensor));
        if tensor.is_some() {
            self.described.insert(track_uuid);
        }
        arguments.extend(tensor);
        if region.cached {
            arguments.push(flag("cached"));
        }
        let mut event =
            TrackEvent { kind: event::BEGIN, track_uuid, debug_annotations: arguments, ..TrackEvent::default() };
        let name = frames.first().cloned().unwrap_or_else(|| bytes(region.size));
        let mut new_names = None;
        if let Some(&iid) = self.names.get(&name) {
            event.name_iid = Some(iid);
        } else if self.names.len() < MAX_NAMES {
            let iid = self.names.len() as u64 + 1;
            self.names.insert(name.clone(), iid);
            event.name_iid = Some(iid);
            let event_names = vec![Name { iid, name }];
            new_names = Some(InternedData { event_names, debug_annotation_names: Vec::new() });
        } else {
            event.name = Some(name);
        }
        self.event(time_ns, event, new_names)
    }

    fn end_life(&mut self, step: &Step<'_>, life: &Life) -> io::Result<()> {
        let Some(lane) = self.lanes.give_back(step.index, life) else { return Ok(()) };
        let place = (step.index, life.region.device, life.region.memory);
        let Some(&track_uuid) = self.tracks.get(&TrackOf::Lane(place, lane)) else { return Ok(()) };
        let is_released = life.region.state == State::ReleasedAtClose;
        // Where it became known only later.
        let is_described = self.described.remove(&track_uuid);
        let tensor = known("tensor", step.process.tensor(life.region.tensor)).filter(|_| !is_described);
        let debug_annotations = is_released.then(|| flag("released_at_close")).into_iter().chain(tensor).collect();
        let event = TrackEvent { kind: event::END, track_uuid, debug_annotations, ..TrackEvent::default() };
        self.event(step.time_ns, event, None)
    }

    fn instant(
        &mut self,
        step: &Step<'_>,
        of: TrackOf,
        track_name: &str,
        name: String,
        debug_annotations: Vec<DebugAnnotation>,
    ) -> io::Result<()> {
        let parent = self.tracks.get(&TrackOf::Process(step.index)).copied();
        let track_uuid = self.track(of, || (parent, track_name.to_owned(), None, None))?;
        let name = Some(name);
        let event = TrackEvent { kind: event::INSTANT, track_uuid, name, debug_annotations, ..TrackEvent::default() };
        self.event(step.time_ns, event, None)
    }

    fn begin_region(&mut self, step: &Step<'_>, span: &Span) -> io::Result<()> {
        let lane = self.regions.take(step.index, span);
        let parent = self.tracks.get(&TrackOf::Process(step.index)).copied();
        let of = TrackOf::Regions(step.index, span.thread, lane);
        let track_uuid = self.track(of, || (parent, format!("regions of thread {}", span.thread), None, None))?;
        // A slice without a name is none.
        let name = Some(span.name.clone()).filter(|name| !name.is_empty()).or_else(|| Some("region".to_owned()));
        self.event(step.time_ns, TrackEvent { kind: event::BEGIN, track_uuid, name, ..TrackEvent::default() }, None)
    }

    fn end_region(&mut self, step: &Step<'_>, span: &Span) -> io::Result<()> {
        let Some(lane) = self.regions.give_back(step.index, span) else { return Ok(()) };
        let of = TrackOf::Regions(step.index, span.thread, lane);
        let Some(&track_uuid) = self.tracks.get(&of) else { return Ok(()) };
        let left: u128 = span.window.sums.iter().map(|(.., sums)| sums.left_behind.bytes).sum();
        let debug_annotations = vec![number("left_behind", narrow(left))];
        let event = TrackEvent { kind: event::END, track_uuid, debug_annotations, ..TrackEvent::default() };
        self.event(step.time_ns, event, None)
    }

    fn refusal(&mut self, step: &Step<'_>, event: &Event, devices: &[i32]) -> io::Result<()> {
        let memory = event.memory.map_or_else(|| "unknown memory".to_owned(), |memory| memory.to_string());
        let is_other = event.flags & flags::OTHER_REASON != 0;
        let (what, verb) = if is_other { ("refused", "refused") } else { ("out of memory", "out of") };
        let name = format!("{verb} {memory}: {} asked for", bytes(event.size));
        let ids: Vec<String> = devices.iter().map(i32::to_string).collect();
        let mut arguments = vec![text("memory", memory), number("size", event.size), text("devices", ids.join(", "))];
        arguments.extend(event.size_per_bank.map(|bytes| number("size_per_bank", bytes)));
        arguments.extend(known("op", step.process.op(event.site)));
        arguments.extend(known("site", &step.process.frames(event.site).join("\n")));
        if let Some(space) = event.space {
            arguments.push(number("free_per_bank", space.free));
            arguments.push(number("largest_free_block", space.largest_block));
        }
        self.instant(step, TrackOf::Refusals(step.index), what, name, arguments)
    }
}

impl Exporter for Perfetto<'_> {
    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        if !self.changed.is_empty() && (step.index, step.number) != self.changed_by {
            self.write_sums()?;
        }
        let older = match &step.kind {
            StepKind::Event { event, devices, .. } if event.kind == EventKind::Tensor => {
                self.newborns.note_tensor(step.index, event, devices);
                Vec::new()
            }
            StepKind::Change(Change::Gone(_)) | StepKind::End(_) => self.newborns.take(step.index),
            _ => self.newborns.take_older(step.index, step.number),
        };
        older.into_iter().try_for_each(|newborn| self.write_newborn(step.process, newborn))?;
        match &step.kind {
            StepKind::Change(change) => {
                match change {
                    Change::Born(life) => self.begin_life(step, life)?,
                    Change::Gone(life) => self.end_life(step, life)?,
                    Change::Widened { .. } | Change::Footprint { .. } => {}
                }
                if let Some(((device, memory), _)) = self.sums[step.index].apply(change) {
                    self.changed.insert((step.index, device, memory));
                    self.changed_at = step.time_ns;
                    self.changed_by = (step.index, step.number);
                }
                Ok(())
            }
            StepKind::Event { event, devices, .. } => {
                if event.kind == EventKind::OutOfMemory {
                    self.refusal(step, event, devices)
                } else {
                    Ok(())
                }
            }
            StepKind::Mark(name) => {
                self.instant(step, TrackOf::Marks(step.index), "marks", (*name).to_owned(), Vec::new())
            }
            StepKind::RegionBegin(span) => self.begin_region(step, span),
            StepKind::RegionEnd(span) => self.end_region(step, span),
            StepKind::Moment { .. } | StepKind::End(_) => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<Vec<String>> {
        self.write_sums()?;
        Ok(match self.lanes.left_out {
            0 => Vec::new(),
            count => vec![format!(
                "{count} lifetimes are not drawn: more were live at once than lanes (--max-lanes); all are in the sums"
            )],
        })
    }
}

fn argument(name: &str) -> DebugAnnotation {
    let at = ARGUMENTS.iter().position(|&known| known == name).map_or(0, |at| at as u64 + 1);
    DebugAnnotation { name_iid: at, ..DebugAnnotation::default() }
}

fn number(name: &str, value: u64) -> DebugAnnotation {
    DebugAnnotation { uint_value: Some(value), ..argument(name) }
}

fn pointer(name: &str, value: u64) -> DebugAnnotation {
    DebugAnnotation { pointer_value: Some(value), ..argument(name) }
}

fn flag(name: &str) -> DebugAnnotation {
    DebugAnnotation { bool_value: Some(true), ..argument(name) }
}

/// A text, where there is one.
fn known(name: &str, value: &str) -> Option<DebugAnnotation> {
    (!value.is_empty()).then(|| text(name, value.to_owned()))
}

fn text(name: &str, value: String) -> DebugAnnotation {
    DebugAnnotation { string_value: Some(value), ..argument(name) }
}
