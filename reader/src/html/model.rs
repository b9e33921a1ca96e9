//! What the page is given: numbers in rows, names once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::Serialize;
use ttmem_ledger::Ledger;
use ttmem_wire::{CoreRange, Memory};

use super::{
    Sketch,
    lines::{Line, lines},
    lives::{Lives, Steps},
    moments::{Moment, Tables, Time},
    number::Number,
    once::Once,
    source::{SourceLines, Wanted},
    sums::{SumsRow, sums},
    top::{Band, GrowthRow, RegionRow, growth, regions},
    traces::Traces,
};
use crate::{
    Told,
    analysis::ProcessAnalysis,
    report::{ProcessReport, bytes, ending, plain_name, terse},
};

/// Marks that are drawn; the rest is counted.
pub(super) const MARKS: usize = 5_000;

/// Kinds whose allocations are told.
const KINDS: usize = 50_000;

#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) ttmem: &'static str,
    pub(super) file: String,
    pub(super) processes: Vec<Arc<Process>>,
    /// The state of a live page, which it sends back to get what is newer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) live: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Process {
    pid: u32,
    ring_id: String,
    rank: Option<u32>,
    /// When its first event was, in milliseconds since 1970.
    start_ms: f64,
    command: String,
    started_at: String,
    ended: String,
    verdict: (&'static str, String),
    reported: Number,
    lost: Number,
    findings: Vec<String>,
    growth: Vec<GrowthRow>,
    /// The last refusal and who held most then.
    refused: Option<String>,
    regions: Vec<RegionRow>,
    regions_not_listed: u64,
    bands: Vec<Band>,
    sums: Vec<SumsRow>,
    banks: Vec<BankRow>,
    /// Milliseconds of a column, and of all.
    column_ms: f64,
    span_ms: f64,
    lines: Vec<Line>,
    marks: Vec<(String, f64)>,
    marks_left_out: usize,
    refusals: Vec<(String, f64)>,
    memories: Vec<String>,
    sites: Vec<Vec<String>>,
    /// Source lines, by `file:line`.
    lines_of_source: BTreeMap<String, String>,
    /// The op of each site, where it is known.
    ops: Vec<Option<Arc<str>>>,
    /// What allocations were made for.
    tensors: Vec<String>,
    device_sets: Vec<Vec<i32>>,
    /// Rectangles of cores: first column and row, last column and row.
    core_sets: Vec<Vec<[u16; 4]>>,
    moments: Vec<Moment>,
    places: Places,
    lives: Steps,
    /// Memory, site, size.
    kinds: Vec<(usize, usize, Number)>,
    allocations: Vec<Number>,
    /// A mark, and (kind, count) of what changed since the one before.
    at_marks: Vec<(usize, Vec<(usize, u64)>)>,
    at_end: Vec<(usize, u64)>,
}

/// What a memory of these devices has: address and bytes of each bank.
#[derive(Debug, Serialize)]
struct BankRow {
    memory: String,
    devices: Vec<i32>,
    base: Number,
    bytes: Number,
    banks: u32,
}

/// Where allocations lived: a column for each thing. The letters are those of a row of a moment.
#[derive(Debug, Default, Serialize)]
struct Places {
    m: Vec<usize>,
    a: Vec<Number>,
    s: Vec<Number>,
    b: Vec<Option<Number>>,
    d: Vec<usize>,
    f: Vec<usize>,
    y: Vec<Option<usize>>,
    /// The set of cores.
    c: Vec<usize>,
    /// 1 cached, 2 globally allocated, 4 pre-allocated, 8 released at close.
    n: Vec<u8>,
}

impl Process {
    pub(super) fn new(
        told: &Told<'_>,
        said: &ProcessReport,
        analysed: &ProcessAnalysis,
        sketch: Sketch,
        lines_of_source: &mut SourceLines,
    ) -> Self {
        let Sketch { peaks, marks: at_marks, mut kinds, allocations, traces: Traces { line, lives }, .. } = sketch;
        let ledger = told.account.ledger();
        let time = Time::new(told.clock, line.start.unwrap_or(0));
        let mut tables = Tables {
            named: told.account.sites().named(),
            named_tensors: told.account.sites().tensors().collect(),
            tensors: Once::default(),
            time,
            memories: Once::default(),
            sites: Once::default(),
            known_sites: HashMap::new(),
            device_sets: Once::default(),
            source: Wanted::default(),
        };
        // Rows without a site leave it out.
        tables.sites.number((None, Vec::new()));
        let live = ledger.live();
        let at_end = kinds.count(live.iter().copied());
        let at_end = at_end.into_iter().enumerate().filter(|&(_, count)| count > 0).collect();
        let when = if told.ended.is_some() { "Live at exit" } else { "Live now" };
        let mut shown = vec![tables.moment(when.to_owned(), None, &live)];
        for (memories, copied) in peaks.into_moments(&line) {
            shown.push(tables.peak(&memories, copied));
        }
        if !ledger.released_at_close().regions.is_empty() {
            shown.push(tables.moment("Released at close".to_owned(), None, &ledger.released_at_close().regions));
        }
        let kinds = kinds
            .all
            .into_iter()
            .map(|(memory, site, size)| (tables.memories.number(memory), tables.site(site), Number(size)));
        let kinds = kinds.collect();
        let places = Places::new(&mut tables, &lives);
        let corners = |cores: &CoreRange| [cores.first_x, cores.first_y, cores.last_x, cores.last_y];
        let core_sets = lives.core_sets.all.iter().map(|set| set.iter().map(corners).collect()).collect();
        let (regions, bands) = regions(analysed, |ns| time.ms_of_ns(ns));
        let (ops, sites) = tables.sites.all.into_iter().unzip();
        let marks = told.account.marks();
        Self {
            pid: said.pid,
            ring_id: said.ring_id.clone(),
            rank: analysed.facts.rank,
            start_ms: time.start_ms(),
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
            growth: growth(analysed),
            refused: terse(&analysed.refusals),
            regions,
            regions_not_listed: analysed.regions_not_listed,
            bands,
            sums: sums(said),
            banks: banks(ledger),
            column_ms: time.ms_of_ticks(line.latest, 1_u64 << line.width.min(63)),
            span_ms: time.ms(line.latest),
            lives: lives.steps(|ticks| time.ms_of_ticks(line.latest, ticks)),
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
            memories: tables.memories.all.iter().map(Memory::to_string).collect(),
            sites,
            lines_of_source: lines_of_source.of(&tables.source, told.realtime_start_ns),
            ops,
            tensors: tables.tensors.all.into_iter().collect(),
            device_sets: tables.device_sets.all.into_iter().collect(),
            core_sets,
            places,
            kinds,
            allocations: allocations.into_iter().take(KINDS).map(Number).collect(),
            at_marks: at_marks.into_rows(),
            at_end,
        }
    }
}

impl Places {
    fn new(tables: &mut Tables, lives: &Lives) -> Self {
        let mut places = Self::default();
        for place in &lives.places.all {
            let flags = [place.cached, place.globally_allocated, place.preallocated, place.at_close];
            places.m.push(tables.memories.number(place.memory));
            places.a.push(Number(place.address));
            places.s.push(Number(place.size));
            places.b.push(place.size_per_bank.map(Number));
            places.d.push(tables.device_sets.number(lives.device_sets.all[place.devices].clone()));
            places.f.push(tables.site(place.site));
            places.y.push(tables.tensor(place.tensor));
            places.c.push(place.cores);
            places.n.push((0..).zip(flags).map(|(bit, is_set)| u8::from(is_set) << bit).sum());
        }
        places
    }
}

/// What each memory has, where its allocator was seen, and whether or not it was used.
fn banks(ledger: &Ledger) -> Vec<BankRow> {
    let mut rows: Vec<BankRow> = Vec::new();
    for (&(device, memory), bank) in ledger.banks() {
        let memory = memory.to_string();
        let alike = |row: &&mut BankRow| {
            row.memory == memory && (row.base.0, row.bytes.0, row.banks) == (bank.base, bank.bytes, bank.banks)
        };
        match rows.iter_mut().find(alike) {
            Some(row) => row.devices.push(device),
            None => rows.push(BankRow {
                memory,
                devices: vec![device],
                base: Number(bank.base),
                bytes: Number(bank.bytes),
                banks: bank.banks,
            }),
        }
    }
    rows
}
