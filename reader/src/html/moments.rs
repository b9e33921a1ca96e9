//! What was live at a moment: a row for each allocation, in tables of names.

use std::{cmp::Reverse, collections::HashMap, rc::Rc, sync::Arc};

use serde::Serialize;
use ttmem_ledger::{LiveRegion, narrow};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{number::Number, once::Once, peaks::Copied, source::Wanted, timeline::Peak};
use crate::{CallSite, report::bytes};

/// Rows of a moment; what is smaller is summed up.
const ROWS: usize = 20_000;

/// What was live at a moment.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    name: String,
    /// When, if it is neither the end nor a close.
    at: Option<f64>,
    rows: Vec<Row>,
    more_rows: u64,
    more_bytes: Number,
}

/// An allocation, on devices that have it alike.
#[derive(Debug, Serialize)]
pub(super) struct Row {
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

/// The tables that rows point into.
pub(super) struct Tables {
    pub(super) named: HashMap<u32, CallSite>,
    pub(super) time: Time,
    pub(super) memories: Once<Memory>,
    /// Each the op, and the frames.
    pub(super) sites: Once<(Option<Arc<str>>, Vec<String>)>,
    pub(super) known_sites: HashMap<u32, usize>,
    pub(super) named_tensors: HashMap<u32, String>,
    pub(super) tensors: Once<String>,
    pub(super) device_sets: Once<Vec<i32>>,
    pub(super) source: Wanted,
}

impl Tables {
    pub(super) fn site(&mut self, site: u32) -> usize {
        if let Some(&number) = self.known_sites.get(&site) {
            return number;
        }
        let named = self.named.remove(&site).unwrap_or_default();
        for frame in named.users() {
            if let Some(line) = frame.line {
                self.source.add(&frame.file, line);
            }
        }
        let number = self.sites.number((named.op.clone(), named.texts()));
        self.known_sites.insert(site, number);
        number
    }

    pub(super) fn tensor(&mut self, tensor: u32) -> Option<usize> {
        self.named_tensors.get(&tensor).map(|tensor| self.tensors.number(tensor.clone()))
    }

    /// What was live when these memories were fullest.
    pub(super) fn peak(&mut self, memories: &[(Memory, Peak)], copied: Copied) -> Moment {
        let names: Vec<String> = memories.iter().map(|(memory, _)| memory.to_string()).collect();
        let mut name = format!("Peak of {}", names.join(" and "));
        let at = memories.first().map(|(_, peak)| self.time.ms(peak.ticks));
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
        self.moment(name, at, &live)
    }

    pub(super) fn moment(&mut self, name: String, at: Option<f64>, regions: &[LiveRegion]) -> Moment {
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
            b: region.size_per_bank.filter(|_| region.core.is_none()).map(Number),
            d: self.device_sets.number(devices),
            h: region.holders,
            r: region.reports,
            t: self.time.ms(region.allocated_at_ticks),
            f: self.site(region.site),
            y: self.tensor(region.tensor),
            n: usize::from(region.cached)
                | usize::from(region.globally_allocated) << 1
                | usize::from(region.preallocated) << 2,
        });
        Moment { name, at, rows: rows.collect(), more_rows: left_out.len() as u64, more_bytes: Number(more_bytes) }
    }
}

/// Milliseconds since the first event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    clock: ClockMap,
    start: u64,
}

impl Time {
    pub(super) fn new(clock: ClockMap, start: u64) -> Self {
        Self { clock, start }
    }

    /// Of the first event, since 1970.
    pub(super) fn start_ms(&self) -> f64 {
        self.clock.realtime_ns(self.start) as f64 / 1e6
    }

    pub(super) fn ms(&self, ticks: u64) -> f64 {
        self.ms_of_ns(self.clock.realtime_ns(ticks))
    }

    /// The same of a time since 1970.
    pub(super) fn ms_of_ns(&self, realtime_ns: u64) -> f64 {
        realtime_ns.saturating_sub(self.clock.realtime_ns(self.start)) as f64 / 1e6
    }

    /// Of so many ticks, up to the latest event.
    pub(super) fn ms_of_ticks(&self, latest: u64, ticks: u64) -> f64 {
        let span = latest.saturating_sub(self.start);
        if span == 0 { 0.0 } else { self.ms(latest) / span as f64 * ticks as f64 }
    }
}

fn ago(ms: f64) -> String {
    if ms < 1000.0 { format!("{ms:.1} ms") } else { format!("{:.3} s", ms / 1000.0) }
}
