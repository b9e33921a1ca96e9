//! What was live at a moment: at the peak, at the end, at a mark, or some seconds after the first event.
//!
//! Memory stays bounded by what is live: a first replay finds the event after which the moment is, a second stops there.

use std::{collections::BTreeMap, str::FromStr};

use ttmem_ledger::{FreeList, Ledger, Life, Totals};
use ttmem_wire::{Event, EventKind, Memory, Record};

use super::{Input, Stopped, one_by_one, overview::Overview, pump};
use crate::{Account, Failure, named};

/// A moment of a process.
#[derive(Clone, Debug, PartialEq)]
pub enum At {
    /// When most bytes were live, over all devices and memories; the first such moment.
    Peak,
    /// At the end of the process, or of what is known of it.
    Exit,
    /// At the last mark of this name; `NAME:3` is the third.
    Mark(String),
    /// So many seconds after the first event of the process.
    Seconds(f64),
}

impl FromStr for At {
    type Err = String;

    /// `peak`, `exit` (or `end`), a number of seconds (`2.5` or `2.5s`), else the name of a mark.
    fn from_str(text: &str) -> Result<Self, String> {
        let number: Option<f64> = text.strip_suffix('s').unwrap_or(text).parse().ok();
        match (text, number) {
            ("peak", _) => Ok(Self::Peak),
            ("exit" | "end", _) => Ok(Self::Exit),
            ("", _) => Err("no moment; peak, exit, a mark or seconds".to_owned()),
            (_, Some(seconds)) if seconds.is_finite() && seconds >= 0.0 => Ok(Self::Seconds(seconds)),
            _ => Ok(Self::Mark(text.to_owned())),
        }
    }
}

/// What one process held at a moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The place of the process among those of the input, in the order in which they began.
    pub process: usize,
    /// Its process id, for display.
    pub pid: u32,
    /// Records of the process until then.
    pub events: u64,
    /// When the last of these was, in ticks of the ring's clock; `None` where there was none.
    pub ticks: Option<u64>,
    /// The same, ns since 1970.
    pub time_ns: Option<u64>,
    /// Allocations and program memory, by device, memory, allocator, address.
    pub live: Vec<Life>,
    /// The sums then, by device and memory.
    pub totals: Vec<(i32, Memory, Totals)>,
    /// What program memory takes of each device, by kind: a union, so no buffer can be charged with it.
    pub footprints: BTreeMap<(i32, Memory), u64>,
    /// What was free then, where the allocator was seen and the bytes per bank are known.
    pub free: Vec<(i32, Memory, FreeList)>,
}

/// What each process of an input held at a moment; those that have no such moment are left out.
///
/// # Errors
/// If the input cannot be read, or no process passed the mark.
pub fn moment(input: &Input, at: &At) -> Result<Vec<Moment>, Failure> {
    find(input, at).map_err(|why| why.failure(input.path()))
}

fn find(input: &Input, at: &At) -> Result<Vec<Moment>, Stopped> {
    let overview = Overview::of(input, false)?;
    let stops = find_stops(input, &overview, at, None)?;
    let mut walks: Vec<Walk> = stops.iter().map(|_| Walk::default()).collect();
    let mut moments: Vec<Option<Moment>> = stops.iter().map(|_| None).collect();
    let mut open = stops.iter().filter(|stop| !matches!(stop, Stop::Never | Stop::After(0))).count();
    let replayed = pump(input, &mut |replay, records| {
        let Some(&index) = overview.places.get(&replay.number()) else { return Ok(()) };
        let (walk, stop) = (&mut walks[index], stops[index]);
        walk.take(replay.account_mut(), &records[..stop.room(walk.records).min(records.len())]);
        if moments[index].is_none() && stop == Stop::After(walk.records) {
            moments[index] = Some(walk.moment(index, replay.account_mut(), &overview));
            // Those before the first event were not counted.
            open -= usize::from(walk.records > 0);
        }
        if open == 0 { Err(Stopped::Enough) } else { Ok(()) }
    });
    let mut processes = match replayed {
        Ok(replayed) => replayed.processes,
        Err(Stopped::Enough) => return Ok(moments.into_iter().flatten().collect()),
        Err(why) => return Err(why),
    };
    for replay in &mut processes {
        let Some(&index) = overview.places.get(&replay.number()) else { continue };
        if stops[index] == Stop::AtEnd {
            // What came to a ring as a snapshot is in the session's account alone.
            let session = input.ring().map(|ring| ring.session.account());
            let account = session.unwrap_or_else(|| replay.account_mut());
            moments[index] = Some(walks[index].moment(index, account, &overview));
        }
    }
    Ok(moments.into_iter().flatten().collect())
}

/// One process on its way to its moment.
#[derive(Debug, Default)]
struct Walk {
    records: u64,
    ticks: Option<u64>,
}

impl Walk {
    fn take(&mut self, account: &mut Account, records: &[Record]) {
        account.take(records, |_| None);
        self.records += records.len() as u64;
        let last = records.iter().rev().find_map(|record| Event::decode(record).ok());
        self.ticks = last.map(|event| event.ticks).or(self.ticks);
    }

    fn moment(&self, process: usize, account: &Account, overview: &Overview) -> Moment {
        let (info, ledger) = (&overview.processes[process], account.ledger());
        Moment {
            process,
            pid: info.pid,
            events: self.records,
            ticks: self.ticks,
            time_ns: self.ticks.map(|ticks| info.time_ns(ticks)),
            live: ledger.lives(),
            totals: ledger.totals(),
            footprints: footprints(ledger, None),
            free: free(ledger),
        }
    }
}

fn free(ledger: &Ledger) -> Vec<(i32, Memory, FreeList)> {
    let memories = ledger.totals().into_iter();
    memories.filter_map(|(device, memory, _)| Some((device, memory, ledger.free_list(device, memory)?))).collect()
}

/// What program memory takes of each device, or of one.
pub(super) fn footprints(ledger: &Ledger, device: Option<i32>) -> BTreeMap<(i32, Memory), u64> {
    let of_programs = ledger.totals().into_iter().filter(|(_, memory, _)| memory.is_of_programs());
    let chosen = of_programs.filter(|(of, ..)| device.is_none_or(|device| device == *of));
    chosen.map(|(device, memory, totals)| ((device, memory), totals.live_bytes)).collect()
}

/// Where a process's moment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// After so many of its records.
    After(u64),
    /// At its end.
    AtEnd,
    /// It has no such moment.
    Never,
}

impl Stop {
    /// How many records come until then, after so many.
    fn room(self, records: u64) -> usize {
        match self {
            Self::After(stop) => usize::try_from(stop.saturating_sub(records)).unwrap_or(usize::MAX),
            Self::AtEnd => usize::MAX,
            Self::Never => 0,
        }
    }
}

/// Finds the moment of each process of the overview. Of the end it need not replay anything.
pub(super) fn find_stops(
    input: &Input,
    overview: &Overview,
    at: &At,
    device: Option<i32>,
) -> Result<Vec<Stop>, Stopped> {
    if *at == At::Exit {
        return Ok(overview.processes.iter().map(|_| Stop::AtEnd).collect());
    }
    let mut finders: Vec<Finder> = overview.processes.iter().map(|_| Finder { device, ..Finder::default() }).collect();
    let mut replayed = pump(input, &mut |replay, records| {
        let Some(&index) = overview.places.get(&replay.number()) else { return Ok(()) };
        let (finder, info) = (&mut finders[index], &overview.processes[index]);
        let before = finder.records;
        one_by_one(replay.account_mut(), records, |account, place, event| {
            account.apply(event, |_| None);
            finder.records = before + place as u64 + 1;
            match at {
                At::Peak => finder.look_for_peak(account.ledger(), event),
                At::Mark(_) => finder.marks.resize(account.marks().len(), finder.records),
                At::Seconds(seconds) => finder.look_for_time(*seconds, info.time_ns(event.ticks)),
                At::Exit => {}
            }
            Ok::<(), Stopped>(())
        })?;
        finder.records = before + records.len() as u64;
        Ok(())
    })?;
    let At::Mark(name) = at else { return Ok(finders.iter().map(|finder| Stop::After(finder.stop)).collect()) };
    let mut stops = vec![Stop::Never; finders.len()];
    for replay in &mut replayed.processes {
        let Some(&index) = overview.places.get(&replay.number()) else { continue };
        let names: Vec<&str> = replay.account_mut().marks().iter().map(|mark| mark.name.as_str()).collect();
        if let Some(&last) = named::find(&names, name).last() {
            stops[index] = Stop::After(finders[index].marks[last]);
        }
    }
    if stops.iter().any(|stop| *stop != Stop::Never) {
        return Ok(stops);
    }
    let accounts: Vec<&Account> = replayed.processes.iter_mut().map(|replay| &*replay.account_mut()).collect();
    let names = accounts.iter().flat_map(|account| account.marks()).map(|mark| mark.name.as_str());
    Err(Stopped::Reading(input.failed(format!("no mark {name:?}; {}", named::instead(name, names)))))
}

/// Finds the moment of one process.
#[derive(Debug, Default)]
struct Finder {
    device: Option<i32>,
    records: u64,
    /// After so many.
    stop: u64,
    most: u128,
    /// Which of the ledger's sums count; asked for anew when there are more.
    counted: Vec<bool>,
    first_ns: Option<u64>,
    /// Whether the time has come.
    is_past: bool,
    /// After how many records each mark was passed.
    marks: Vec<u64>,
}

impl Finder {
    fn look_for_peak(&mut self, ledger: &Ledger, event: &Event) {
        // No other event makes a sum larger.
        if !matches!(event.kind, EventKind::Allocate | EventKind::CbAllocate) {
            return;
        }
        let mut sums = 0;
        let sum = |all: u128, (at, bytes): (usize, u64)| {
            sums = at + 1;
            if self.counted.get(at) == Some(&false) { all } else { all + u128::from(bytes) }
        };
        let mut all = ledger.live_bytes().enumerate().fold(0, sum);
        if sums > self.counted.len() {
            let device = self.device;
            self.counted = ledger.memories().iter().map(|(of, _)| device.is_none_or(|device| device == *of)).collect();
            let counted = ledger.live_bytes().zip(&self.counted).filter(|(_, counted)| **counted);
            all = counted.map(|(bytes, _)| u128::from(bytes)).sum();
        }
        if all > self.most {
            (self.most, self.stop) = (all, self.records);
        }
    }

    fn look_for_time(&mut self, seconds: f64, time_ns: u64) {
        let first = *self.first_ns.get_or_insert(time_ns);
        self.is_past |= time_ns.saturating_sub(first) as f64 > seconds * 1e9;
        if !self.is_past {
            self.stop = self.records;
        }
    }
}
