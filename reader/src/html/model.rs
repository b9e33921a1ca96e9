//! What the page is given: numbers in rows, names once.

use std::{cmp::Reverse, collections::HashMap, rc::Rc, sync::Arc};

use serde::{Serialize, Serializer};
use ttmem_ledger::{LiveRegion, narrow};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{
    Sketch,
    peaks::Copied,
    timeline::{Cell, Peak, Series, Timeline},
};
use crate::{
    CallSite, Told,
    analysis::{Alike, ProcessAnalysis, RegionsOfName, alike, regions_by_name},
    report::{MemoryReport, ProcessReport, bytes, ending, plain_name, terse},
};

/// Rows of a moment; what is smaller is summed up.
const ROWS: usize = 20_000;

/// Cells of all lines of a process. Devices that are all different are drawn coarser.
const CELLS: usize = 300_000;

/// Marks that are drawn; the rest is counted.
const MARKS: usize = 5_000;

/// Kinds whose allocations are told.
const KINDS: usize = 50_000;

/// The largest number that a script reads exactly; a larger one is written as text.
const EXACT: u64 = 1 << 53;

#[derive(Clone, Copy, Debug)]
pub(super) struct Number(u64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 <= EXACT { serializer.serialize_u64(self.0) } else { serializer.collect_str(&self.0) }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) ttmem: &'static str,
    pub(super) file: String,
    pub(super) processes: Vec<Process>,
}

#[derive(Debug, Serialize)]
pub(super) struct Process {
    pid: u32,
    command: String,
    started_at: String,
    ended: String,
    verdict: (&'static str, String),
    reported: Number,
    lost: Number,
    findings: Vec<String>,
    growth: Vec<String>,
    /// The last refusal and who held most then.
    refused: Option<String>,
    regions: Vec<RegionRow>,
    sums: Vec<SumsRow>,
    /// Milliseconds of a column, and of all.
    column_ms: f64,
    span_ms: f64,
    lines: Vec<Line>,
    marks: Vec<(String, f64)>,
    marks_left_out: usize,
    refusals: Vec<(String, f64)>,
    memories: Vec<String>,
    sites: Vec<Vec<String>>,
    /// The op of each site, where it is known.
    ops: Vec<Option<Arc<str>>>,
    /// What allocations were made for.
    tensors: Vec<String>,
    device_sets: Vec<Vec<i32>>,
    moments: Vec<Moment>,
    /// Memory, site, size.
    kinds: Vec<(usize, usize, Number)>,
    allocations: Vec<Number>,
    /// A mark, and (kind, count) of what changed since the one before.
    at_marks: Vec<(usize, Vec<(usize, u64)>)>,
    at_end: Vec<(usize, u64)>,
}

/// The regions of the program of one name.
#[derive(Debug, Serialize)]
struct RegionRow {
    name: String,
    times: Number,
    /// The most that a memory of a device held within any of them, and which memory.
    peak: Number,
    memory: String,
    left: Number,
    left_buffers: Number,
}

#[derive(Debug, Serialize)]
struct SumsRow {
    devices: String,
    memory: String,
    live: Number,
    buffers: Number,
    bank: Option<Number>,
    capacity: Option<Number>,
    free: Option<Number>,
    block: Option<Number>,
    peak: Number,
    allocations: Number,
    frees: Number,
    at_close: Number,
}

/// Devices whose memory went the same way.
#[derive(Debug, Serialize)]
struct Line {
    memory: String,
    devices: Vec<i32>,
    name: String,
    /// Column, least, most, last; and again.
    cells: Vec<Number>,
}

#[derive(Debug, Serialize)]
struct Moment {
    name: String,
    rows: Vec<Row>,
    more_rows: u64,
    more_bytes: Number,
}

/// An allocation, on devices that have it alike.
#[derive(Debug, Serialize)]
struct Row {
    m: usize,
    a: Number,
    s: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<Number>,
    d: usize,
    #[serde(skip_serializing_if = "is_one")]
    h: u32,
    #[serde(skip_serializing_if = "is_one")]
    r: u32,
    /// When it came to life.
    t: f64,
    #[serde(skip_serializing_if = "is_zero")]
    f: usize,
    /// The tensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<usize>,
    /// 1 cached, 2 globally allocated, 4 pre-allocated.
    #[serde(skip_serializing_if = "is_zero")]
    n: usize,
}

fn is_one(number: &u32) -> bool {
    *number == 1
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Things that are written once and named by their place.
struct Once<T>(Vec<T>, HashMap<T, usize>);

impl<T: Clone + Eq + std::hash::Hash> Once<T> {
    fn new() -> Self {
        Self(Vec::new(), HashMap::new())
    }

    fn number(&mut self, thing: T) -> usize {
        *self.1.entry(thing).or_insert_with_key(|thing| {
            self.0.push(thing.clone());
            self.0.len() - 1
        })
    }
}

/// The tables that rows point into.
struct Tables {
    named: HashMap<u32, CallSite>,
    time: Time,
    memories: Once<Memory>,
    /// Each the op, and the frames.
    sites: Once<(Option<Arc<str>>, Vec<String>)>,
    known_sites: HashMap<u32, usize>,
    named_tensors: HashMap<u32, String>,
    tensors: Once<String>,
    device_sets: Once<Vec<i32>>,
}

impl Tables {
    fn site(&mut self, site: u32) -> usize {
        if let Some(&number) = self.known_sites.get(&site) {
            return number;
        }
        let named = self.named.remove(&site).unwrap_or_default();
        let number = self.sites.number((named.op.clone(), named.texts()));
        self.known_sites.insert(site, number);
        number
    }

    /// What was live when these memories were fullest.
    fn peak(&mut self, memories: &[(Memory, Peak)], copied: Copied) -> Moment {
        let names: Vec<String> = memories.iter().map(|(memory, _)| memory.to_string()).collect();
        let mut name = format!("Peak of {}", names.join(" and "));
        if let [(_, peak), ..] = memories {
            name += &format!(", at {}", ago(self.time.ms(peak.ticks)));
            if let Some((_, peak)) =
                memories.iter().find(|(_, peak)| peak.bytes > copied.bytes).filter(|_| memories.len() == 1)
            {
                name += &format!(" ({} of {})", bytes(narrow(copied.bytes)), bytes(narrow(peak.bytes)));
            }
        }
        let mut live = Rc::unwrap_or_clone(copied.live);
        live.sort_unstable_by_key(|region| {
            let age = (region.allocated_at_ticks, region.site);
            (Reverse(region.size), region.device, region.memory, region.address, age)
        });
        self.moment(name, &live)
    }

    fn moment(&mut self, name: String, regions: &[LiveRegion]) -> Moment {
        let mut groups: Vec<(LiveRegion, Vec<i32>)> = Vec::new();
        let mut places = HashMap::new();
        for region in regions {
            let alike = (
                (region.memory, (region.core, region.address), region.size, region.size_per_bank),
                (region.holders, region.reports, region.site, region.tensor, region.cached, region.globally_allocated),
            );
            match places.get(&alike).map(|&at: &usize| &mut groups[at].1) {
                // A device that has two alike (circular buffers of two programs) begins another group.
                Some(devices) if devices.last() != Some(&region.device) => devices.push(region.device),
                _ => {
                    places.insert(alike, groups.len());
                    groups.push((*region, vec![region.device]));
                }
            }
        }
        let bytes_of = |(region, devices): &(LiveRegion, Vec<i32>)| region.size.saturating_mul(devices.len() as u64);
        groups.sort_by_key(|group| Reverse(bytes_of(group)));
        let left_out = groups.split_off(groups.len().min(ROWS));
        let more_bytes = left_out.iter().fold(0_u64, |sum, group| sum.saturating_add(bytes_of(group)));
        let rows = groups.into_iter().map(|(region, devices)| Row {
            m: self.memories.number(region.memory),
            a: Number(region.address),
            s: Number(region.size),
            b: region.size_per_bank.map(Number),
            d: self.device_sets.number(devices),
            h: region.holders,
            r: region.reports,
            t: self.time.ms(region.allocated_at_ticks),
            f: self.site(region.site),
            y: self.named_tensors.get(&region.tensor).map(|tensor| self.tensors.number(tensor.clone())),
            n: usize::from(region.cached)
                | usize::from(region.globally_allocated) << 1
                | usize::from(region.preallocated) << 2,
        });
        Moment { name, rows: rows.collect(), more_rows: left_out.len() as u64, more_bytes: Number(more_bytes) }
    }
}

/// Milliseconds since the first event.
#[derive(Clone, Copy, Debug)]
struct Time {
    clock: ClockMap,
    start_ns: u64,
}

impl Time {
    fn ms(&self, ticks: u64) -> f64 {
        // To a microsecond: more digits only make the page longer.
        (self.clock.realtime_ns(ticks).saturating_sub(self.start_ns) / 1000) as f64 / 1000.0
    }
}

impl Process {
    pub(super) fn new(told: &Told<'_>, said: &ProcessReport, analysed: &ProcessAnalysis, sketch: Sketch) -> Self {
        let Sketch { line, peaks, marks: at_marks, mut kinds, allocations } = sketch;
        let ledger = told.account.ledger();
        let start = line.start.unwrap_or(0);
        let time = Time { clock: told.clock, start_ns: told.clock.realtime_ns(start) };
        let mut tables = Tables {
            named: told.account.sites().named(),
            named_tensors: told.account.sites().tensors().collect(),
            tensors: Once::new(),
            time,
            memories: Once::new(),
            sites: Once::new(),
            known_sites: HashMap::new(),
            device_sets: Once::new(),
        };
        // Rows without a site leave it out.
        tables.sites.number((None, Vec::new()));
        let live = ledger.live();
        let at_end = kinds.count(live.iter().copied());
        let at_end = at_end.into_iter().enumerate().filter(|&(_, count)| count > 0).collect();
        let when = if told.ended.is_some() { "Live at exit" } else { "Live now" };
        let mut shown = vec![tables.moment(when.to_owned(), &live)];
        for (memories, copied) in peaks.into_moments(&line) {
            shown.push(tables.peak(&memories, copied));
        }
        if !ledger.released_at_close().regions.is_empty() {
            shown.push(tables.moment("Released at close".to_owned(), &ledger.released_at_close().regions));
        }
        let kinds = kinds
            .all
            .into_iter()
            .map(|(memory, site, size)| (tables.memories.number(memory), tables.site(site), Number(size)));
        let kinds = kinds.collect();
        let (ops, sites) = tables.sites.0.into_iter().unzip();
        let marks = told.account.marks();
        let span_ms = time.ms(line.latest);
        Self {
            pid: said.pid,
            command: said.command.clone(),
            started_at: said.started_at.clone(),
            ended: ending(analysed.end),
            verdict: said.verdict.as_ref().map_or(("unsure", String::new()), |verdict| {
                let mood = match verdict.answer.as_ref() {
                    "clean" => "good",
                    "inconclusive" => "unsure",
                    _ => "bad",
                };
                (mood, verdict.text.clone())
            }),
            reported: Number(said.events.reported),
            lost: Number(said.events.lost),
            findings: said.findings.iter().map(|finding| finding.text.clone()).collect(),
            growth: said.growth.iter().map(|growth| growth.text.clone()).collect(),
            refused: terse(&analysed.refusals),
            regions: regions_by_name(&analysed.regions).iter().map(RegionRow::new).collect(),
            sums: sums(said),
            column_ms: width_ms(&time, start, &line),
            span_ms,
            lines: lines(line),
            marks: marks.iter().take(MARKS).map(|mark| (mark.name.clone(), time.ms(mark.ticks))).collect(),
            marks_left_out: marks.len().saturating_sub(MARKS),
            refusals: ledger
                .out_of_memory()
                .iter()
                .map(|refused| {
                    let place = plain_name(&refused.devices);
                    let text = match refused.clash {
                        Some(_) => format!("refused: a program on {place}, its circular buffers did not fit"),
                        None => format!("refused: {} of {} on {place}", bytes(refused.size), refused.memory),
                    };
                    (text, time.ms(refused.ticks))
                })
                .collect(),
            moments: shown,
            memories: tables.memories.0.iter().map(Memory::to_string).collect(),
            sites,
            ops,
            tensors: tables.tensors.0,
            device_sets: tables.device_sets.0,
            kinds,
            allocations: allocations.into_iter().take(KINDS).map(Number).collect(),
            at_marks: at_marks.into_rows(),
            at_end,
        }
    }
}

fn width_ms(time: &Time, start: u64, line: &Timeline) -> f64 {
    let ticks = line.latest.saturating_sub(start);
    if ticks == 0 { 0.0 } else { time.ms(line.latest) / ticks as f64 * (1_u64 << line.width.min(63)) as f64 }
}

fn ago(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms:.1} ms") } else { format!("{:.3} s", ms / 1000.0) }
}

/// The table of sums; devices that are alike in a memory are one row.
fn sums(said: &ProcessReport) -> Vec<SumsRow> {
    let all = said.devices.iter().flat_map(|device| device.memory.iter().map(|memory| (device.device_id, memory)));
    let mut rows = alike(all, |one| one.0, |one| one.1);
    rows.sort_by_key(|row| (row.first.1.0.parse::<Memory>().ok(), row.devices[0]));
    let row = |Alike { devices, first: (_, (memory, sums)) }: Alike<(i32, (&String, &MemoryReport))>| SumsRow {
        devices: each(&devices),
        memory: memory.clone(),
        live: Number(sums.live_bytes),
        buffers: Number(sums.live_buffers),
        bank: sums.live_bytes_per_bank.map(Number),
        capacity: sums.capacity_bytes.map(Number),
        free: sums.free_bytes.map(Number),
        block: sums.largest_free_block_per_bank.map(Number),
        peak: Number(sums.peak_bytes),
        allocations: Number(sums.allocations),
        frees: Number(sums.frees),
        at_close: Number(sums.released_at_close),
    };
    rows.into_iter().map(row).collect()
}

impl RegionRow {
    fn new(of: &RegionsOfName<'_>) -> Self {
        let (memory, peak) = of.peak.map_or((String::new(), 0), |(memory, peak, _)| (memory.to_string(), peak));
        Self {
            name: of.name.to_owned(),
            times: Number(of.times),
            peak: Number(peak),
            memory,
            left: Number(of.left.bytes),
            left_buffers: Number(of.left.allocations),
        }
    }
}

fn each(devices: &[i32]) -> String {
    let name = plain_name(devices);
    if devices.len() == 1 { name } else { format!("{name}, each") }
}

fn lines(timeline: Timeline) -> Vec<Line> {
    let mut alike: HashMap<(Memory, Vec<Cell>), Vec<i32>> = HashMap::new();
    for Series { device, memory, cells, .. } in timeline.series {
        if !cells.is_empty() {
            alike.entry((memory, cells)).or_default().push(device);
        }
    }
    let mut lines: Vec<_> = alike
        .into_iter()
        .map(|((memory, cells), mut devices)| {
            devices.sort_unstable();
            ((memory, devices), cells)
        })
        .collect();
    lines.sort_by(|(one, _): &((Memory, Vec<i32>), Vec<Cell>), (other, _)| one.cmp(other));
    let most = CELLS / lines.len().max(1);
    let line = |((memory, devices), cells): ((Memory, Vec<i32>), Vec<Cell>)| Line {
        memory: memory.to_string(),
        name: each(&devices),
        devices,
        cells: thin(cells, most)
            .into_iter()
            .flat_map(|cell| [cell.column, cell.least, cell.most, cell.last].map(Number))
            .collect(),
    };
    lines.into_iter().map(line).collect()
}

/// Puts neighbours together until there are few enough. Least, most and last stay exact.
fn thin(mut cells: Vec<Cell>, most: usize) -> Vec<Cell> {
    while cells.len() > most.max(64) {
        cells = cells
            .chunks(2)
            .map(|pair| {
                let (first, last) = (pair[0], pair[pair.len() - 1]);
                Cell {
                    column: first.column,
                    least: first.least.min(last.least),
                    most: first.most.max(last.most),
                    last: last.last,
                }
            })
            .collect();
    }
    cells
}
