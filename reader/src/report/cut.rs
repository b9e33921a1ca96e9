//! A report of one moment, or of one stretch: cut down to a mark, or to a region of the program.

use std::fmt::{self, Write};

use super::{
    bytes, count, group,
    model::{ProcessReport, RegionReport, Report},
    named,
    spans::{SpanReport, write_spans},
    text::{Painter, write_devices, write_regions, write_title},
    units::noun,
};
use crate::Failure;

/// What a report was cut down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Its one mark.
    Mark,
    /// Its regions, which have one name.
    Region,
}

impl Cut {
    /// Leaves processes that passed the mark, and of their marks that one: the last of the name, or `name:N`.
    ///
    /// # Errors
    /// If no process passed it.
    pub fn at_mark(report: &mut Report, name: &str) -> Result<Self, Failure> {
        let found: Vec<_> = report.processes.iter().map(|process| named::find(&marks(process), name)).collect();
        if found.iter().all(Vec::is_empty) {
            return Err(unknown("mark", name, report.processes.iter().flat_map(marks)));
        }
        let mut found = found.into_iter();
        report.processes.retain_mut(|process| {
            let last = found.next().unwrap_or_default().pop();
            process.marks = last.map(|at| process.marks.swap_remove(at)).into_iter().collect();
            last.is_some()
        });
        Ok(Self::Mark)
    }

    /// Leaves processes that had the region, and of their regions those of the name, or `name:N`.
    ///
    /// # Errors
    /// If no process had it.
    pub fn to_region(report: &mut Report, name: &str) -> Result<Self, Failure> {
        let found: Vec<_> = report.processes.iter().map(|process| named::find(&regions(process), name)).collect();
        if found.iter().all(Vec::is_empty) {
            return Err(unknown("region", name, report.processes.iter().flat_map(regions)));
        }
        let mut found = found.into_iter();
        report.processes.retain_mut(|process| {
            let chosen = found.next().unwrap_or_default();
            let mut at = 0..;
            process.regions.retain(|_| at.next().is_some_and(|at| chosen.binary_search(&at).is_ok()));
            !chosen.is_empty()
        });
        Ok(Self::Region)
    }
}

fn marks(process: &ProcessReport) -> Vec<&str> {
    process.marks.iter().map(|mark| mark.name.as_str()).collect()
}

fn regions(process: &ProcessReport) -> Vec<&str> {
    process.regions.iter().map(|span| span.name.as_str()).collect()
}

fn unknown<'a>(what: &str, name: &str, all: impl Iterator<Item = &'a str>) -> Failure {
    let known = named::some_of(all).map_or_else(|| "there is none".to_owned(), |names| format!("there are {names}"));
    Failure::new(format!("no {what} {name:?}; {known}"))
}

/// Writes what is left of a report.
///
/// # Errors
/// Those of `out`.
pub fn write_cut(out: &mut impl Write, report: &Report, cut: &Cut, paint: Painter) -> fmt::Result {
    for (at, process) in report.processes.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        write_title(out, process, paint)?;
        match cut {
            Cut::Mark => write_mark(out, process, paint)?,
            Cut::Region => write_region(out, process, paint)?,
        }
    }
    Ok(())
}

fn write_mark(out: &mut impl Write, process: &ProcessReport, paint: Painter) -> fmt::Result {
    let Some(mark) = process.marks.first() else { return Ok(()) };
    writeln!(out, "{}, peaks and counts until then\n", paint.strong(&format!("At mark {:?}", mark.name)))?;
    write_devices(out, &mark.devices, paint)?;
    match mark.live.as_deref() {
        Some([]) | None => writeln!(out, "Nothing was live."),
        Some(live) => write_regions(out, "Live then", live, paint),
    }
}

fn write_region(out: &mut impl Write, process: &ProcessReport, paint: Painter) -> fmt::Result {
    let faint = paint.faint;
    let Some(first) = process.regions.first() else { return Ok(()) };
    let times = process.regions.len() as u64;
    let times = format!("{} {}", count(times), noun(times, "time", "times"));
    writeln!(out, "{}, {times}\n", paint.strong(&format!("Region {:?}", first.name)))?;
    write_spans(out, &process.regions, paint)?;
    // Of many the last: the first are a warm-up.
    let Some(last) = process.regions.last() else { return Ok(()) };
    let state = if last.end_ns.is_none() { "it is still open" } else { "it took" };
    let took =
        last.end_ns.map_or_else(String::new, |end| format!(" {} ms", end.saturating_sub(last.begin_ns) / 1_000_000));
    writeln!(out, "{faint}the last of them: {state}{took}{faint:#}")?;
    writeln!(
        out,
        "{faint}{:<16}{:>11}{:>11}{:>11}{:>11}{:>13}{faint:#}",
        "", "at begin", "peak", "own peak", "at end", "left behind"
    )?;
    for (ids, memories) in alike(last) {
        writeln!(out, "{}", group::name(&ids, 80))?;
        for (name, sums) in memories {
            writeln!(
                out,
                "  {name:<14}{:>11}{:>11}{:>11}{:>11}{:>13}",
                bytes(sums.begin_bytes),
                bytes(sums.peak_bytes),
                bytes(sums.own_peak_bytes),
                bytes(sums.end_bytes),
                bytes(sums.left_behind.bytes)
            )?;
        }
    }
    writeln!(out)?;
    let left: Vec<RegionReport> =
        process.regions.iter().flat_map(|span| span.left_behind_regions.iter().cloned()).collect();
    if left.is_empty() {
        return writeln!(out, "{}Nothing was left behind.{:#}", paint.good, paint.good);
    }
    let mut left = left;
    left.sort_by_key(|region| std::cmp::Reverse(region.size));
    write_regions(out, "Left behind", &left, paint)
}

type Memories<'a> = &'a std::collections::BTreeMap<String, super::spans::SpanMemory>;

/// Devices that it did the same to.
fn alike(span: &SpanReport) -> Vec<(Vec<i32>, Memories<'_>)> {
    let mut groups: Vec<(Vec<i32>, Memories<'_>)> = Vec::new();
    for device in &span.devices {
        match groups.iter_mut().find(|(_, memory)| **memory == device.memory) {
            Some((ids, _)) => ids.push(device.device_id),
            None => groups.push((vec![device.device_id], &device.memory)),
        }
    }
    groups
}
