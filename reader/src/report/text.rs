//! The report as text: a screen that answers "is it a leak, and whose" from the top down. Fits 80 columns.

use std::fmt::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{
    GrowthReport, Verdict, bytes, group,
    model::{DeviceReport, EndedReport, MemoryReport, ProcessReport, RegionReport, Report},
    out_of_memory, spans,
    units::{count, from_here, noun, short_count, shorten},
    verdict,
};
use crate::sites::is_library;

/// Lines of a list before the rest is only counted.
const LISTED: usize = 12;
/// The width that everything fits.
const WIDTH: usize = 80;
/// The order in which memories are told; names that are not here come last.
const ORDER: [&str; 6] = ["DRAM", "L1", "L1_SMALL", "TRACE", "CB", "SYSTEM_MEMORY"];

/// The styles of the parts. Whether they reach the terminal is the stream's business.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Painter {
    pub heading: Style,
    pub good: Style,
    pub bad: Style,
    pub faint: Style,
}

impl Painter {
    /// With colours.
    pub fn coloured() -> Self {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        Self {
            heading: Style::new().bold(),
            good: colour(AnsiColor::Green).bold(),
            bad: colour(AnsiColor::Red).bold(),
            faint: Style::new().dimmed(),
        }
    }

    /// A word that stands out.
    pub fn strong(&self, word: &str) -> String {
        format!("{}{word}{:#}", self.heading, self.heading)
    }

    /// Without.
    pub fn plain() -> Self {
        Self { heading: Style::new(), good: Style::new(), bad: Style::new(), faint: Style::new() }
    }
}

/// Writes the report.
///
/// # Errors
/// Those of `out`.
pub fn write_text(out: &mut impl Write, report: &Report, paint: Painter) -> fmt::Result {
    for (at, process) in report.processes.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        write_process(out, process, paint)?;
    }
    write_together(out, report, paint)
}

/// What is told of all processes together.
fn write_together(out: &mut impl Write, report: &Report, paint: Painter) -> fmt::Result {
    let Painter { heading, faint, .. } = paint;
    let shared = report.devices.iter().any(|device| device.memory.values().any(|memory| memory.processes > 1));
    if shared {
        writeln!(out, "\n{heading}Devices, over all processes{heading:#}")?;
        writeln!(
            out,
            "{faint}{:<16}{:>11}{:>14}{:>12}{:>11}{faint:#}",
            "", "live now", "left at end", "peaks' sum", "processes"
        )?;
        for (ids, device) in group::shared_devices(&report.devices) {
            writeln!(out, "{}", group::name(&ids, WIDTH))?;
            for (name, memory) in &device.memory {
                writeln!(
                    out,
                    "  {name:<14}{:>11}{:>14}{:>12}{:>11}",
                    bytes(memory.live_bytes),
                    bytes(memory.left_bytes),
                    bytes(memory.peak_bytes_at_most),
                    memory.processes
                )?;
            }
        }
    }
    if !report.growth_over_runs.is_empty() {
        writeln!(out)?;
        for growth in &report.growth_over_runs {
            write_wrapped(out, "* ", &format!("{}: {}", shorten(&growth.name, 40), growth.text))?;
            write_sources(out, growth, paint)?;
        }
    }
    let used = report.suppressions.iter().filter(|rule| rule.regions > 0);
    for (at, rule) in used.enumerate() {
        if at == 0 {
            writeln!(out, "\n{heading}Suppressed{heading:#}")?;
        }
        let regions = format!("{} {}", count(rule.regions), noun(rule.regions, "region", "regions"));
        write_wrapped(
            out,
            &format!("{:>12}  ", bytes(rule.bytes)),
            &format!("{regions} by line {}: {}", rule.line, rule.rule),
        )?;
    }
    Ok(())
}

/// Which process, and how it ended.
pub(super) fn write_title(out: &mut impl Write, process: &ProcessReport, paint: Painter) -> fmt::Result {
    let heading = paint.heading;
    let title = format!("pid {} {}", process.pid, how_it_ended(process.ended));
    let room = WIDTH.saturating_sub(title.chars().count() + 3).max(20);
    writeln!(out, "{heading}{}{heading:#}  {title}", shorten(&process.command, room))
}

fn write_process(out: &mut impl Write, process: &ProcessReport, paint: Painter) -> fmt::Result {
    let faint = paint.faint;
    write_title(out, process, paint)?;
    let events = process.events;
    writeln!(
        out,
        "{faint}events: {} reported, {} drained, {} lost{faint:#}",
        count(events.reported),
        count(events.drained),
        count(events.lost)
    )?;
    writeln!(out)?;
    write_devices(out, &process.devices, paint)?;
    let live_title = match process.ended {
        None => "Live now",
        Some(EndedReport::Code(_)) => "Live at exit",
        Some(EndedReport::Signal(_)) => "Orphaned: live when it was killed",
        Some(EndedReport::Unknown(_)) => "Orphaned: live when it ended",
    };
    write_regions(out, live_title, &process.live, paint)?;
    write_regions(out, "Released at close: still held when the device was closed", &process.released_at_close, paint)?;
    out_of_memory::write_out_of_memory(out, &process.out_of_memory, paint)?;
    spans::write_spans(out, &process.regions, paint)?;
    write_growth(out, &process.growth, paint)?;
    for finding in &process.findings {
        write_wrapped(out, "* ", &format!("{} [{}]", finding.text, finding.id))?;
    }
    if !process.findings.is_empty() {
        writeln!(out)?;
    }
    let (style, line) = match verdict(process) {
        Verdict::Clean(line) => (paint.good, line),
        Verdict::Left(line) | Verdict::Inconclusive(line) => (paint.bad, line),
    };
    write!(out, "{style}")?;
    write_wrapped(out, "", &line)?;
    write!(out, "{style:#}")
}

fn how_it_ended(ended: Option<EndedReport>) -> String {
    match ended {
        None => "is running".into(),
        Some(EndedReport::Code(code)) => format!("exited with code {code}"),
        Some(EndedReport::Signal(signal)) => format!("was killed by signal {signal}"),
        Some(EndedReport::Unknown(_)) => "ended, nobody knows how".into(),
    }
}

pub(super) fn write_devices(out: &mut impl Write, devices: &[DeviceReport], paint: Painter) -> fmt::Result {
    let Painter { heading, faint, .. } = paint;
    if devices.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "{faint}{:<16}{:>11}{:>11}{:>11}{:>10}{:>10}{:>10}{faint:#}",
        "", "live", "a bank", "peak", "allocs", "frees", "at close"
    )?;
    for (ids, device) in group::devices(devices) {
        writeln!(out, "{heading}{}{heading:#}", group::name(&ids, WIDTH))?;
        let mut memories: Vec<(&String, &MemoryReport)> = device.memory.iter().collect();
        memories.sort_by_key(|(name, _)| ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()));
        for (name, memory) in memories {
            writeln!(
                out,
                "  {name:<14}{:>11}{:>11}{:>11}{:>10}{:>10}{:>10}",
                bytes(memory.live_bytes),
                memory.live_bytes_per_bank.map_or_else(|| "?".into(), bytes),
                bytes(memory.peak_bytes),
                short_count(memory.allocations),
                short_count(memory.frees),
                short_count(memory.released_at_close)
            )?;
        }
    }
    writeln!(out)
}

pub(super) fn write_regions(
    out: &mut impl Write,
    title: &str,
    regions: &[RegionReport],
    paint: Painter,
) -> fmt::Result {
    let Painter { heading, faint, .. } = paint;
    if regions.is_empty() {
        return Ok(());
    }
    let kinds = group::kinds(group::regions(regions));
    writeln!(out, "{heading}{title}{heading:#}{faint}, largest first{faint:#}")?;
    let listed = &kinds[..kinds.len().min(LISTED)];
    let memory_width = listed.iter().map(|kind| kind.region.memory.len() + 1).fold(9, usize::max);
    let address_width = listed.iter().map(|kind| format!("{:#x}", kind.region.address).len() + 1).fold(12, usize::max);
    for group::Kind { devices, region, regions } in listed {
        let why = match &region.suppressed_by {
            Some(_) => ", suppressed",
            None if region.cached => ", program cache",
            None => "",
        };
        let held = match (region.holders, region.reports) {
            _ if region.globally_allocated => ", inside a buffer".into(),
            (1, 1) => String::new(),
            (holders, reports) => format!(", held by {holders} of {reports} reports"),
        };
        let cores = match region.num_cores {
            0 => String::new(),
            number => format!(", {number} {}", noun(number.into(), "core", "cores")),
        };
        let size = bytes(region.size.saturating_mul(*regions));
        let lead = if *regions > 1 {
            let each = format!("{} of {}", count(*regions), bytes(region.size));
            format!("{size:>12}  {:<memory_width$}{each:<1$} ", region.memory, address_width + 2)
        } else {
            format!("{size:>12}  {:<memory_width$}at {:<#address_width$x}", region.memory, region.address)
        };
        let room = WIDTH.saturating_sub(lead.len());
        write_wrapped(out, &lead, &format!("{}{cores}{held}{why}", group::name(devices, room)))?;
        write_site(out, 14, &region.site, paint)?;
    }
    if kinds.len() > LISTED {
        let rest = kinds[LISTED..].iter().fold(0, |sum, kind| sum + kind.regions);
        writeln!(out, "{faint}{:>12}  {} more; --json FILE has all{faint:#}", "", count(rest))?;
    }
    writeln!(out)
}

/// The user's line, and who called it. Not wrapped: a path is to be copied.
pub(super) fn write_site(out: &mut impl Write, indent: usize, site: &[String], paint: Painter) -> fmt::Result {
    let faint = paint.faint;
    // Who calls a helper that makes tensors, or a library, says more than it does itself.
    let has_caller = site.get(1).is_some_and(|caller| !caller.starts_with("<module>"));
    let shown = if has_caller || site.first().is_some_and(|first| is_library(first)) { 2 } else { 1 };
    for frame in site.iter().take(shown) {
        let room = WIDTH.saturating_sub(indent);
        writeln!(out, "{faint}{:indent$}{}{faint:#}", "", short_frame(frame, room))?;
    }
    Ok(())
}

/// A frame within `room`: of its path the end counts.
fn short_frame(frame: &str, room: usize) -> String {
    let frame = from_here(frame);
    let too_long = frame.chars().count().saturating_sub(room);
    let Some((function, place)) = frame.split_once(" (").filter(|_| too_long > 0) else { return frame };
    let cut = place.char_indices().skip(too_long + 2).find(|(_, c)| *c == '/').map(|(at, _)| at);
    cut.map_or_else(|| shorten(&frame, room), |at| format!("{function} (..{}", &place[at..]))
}

/// Whether it grows: a line for each loop, and the sources of those that do.
fn write_growth(out: &mut impl Write, growth: &[GrowthReport], paint: Painter) -> fmt::Result {
    let Painter { heading, faint, bad, .. } = paint;
    if growth.is_empty() {
        return Ok(());
    }
    writeln!(out, "{heading}Growth{heading:#}")?;
    for report in growth.iter().take(LISTED) {
        let grows = report.verdict == "grows";
        let style = if grows { bad } else { Style::new() };
        write!(out, "{style}")?;
        write_wrapped(out, "  ", &report.text)?;
        write!(out, "{style:#}")?;
        write_sources(out, report, paint)?;
        let steady = report.sources.iter().filter(|source| source.verdict == "baseline" && source.size.is_some());
        let (regions, live) =
            steady.fold((0, 0), |(regions, live), source| (regions + source.live_regions, live + source.live_bytes));
        if grows && regions > 0 {
            let line = format!(
                "baseline beside it: {} {}, {}",
                count(regions),
                noun(regions, "region", "regions"),
                bytes(live)
            );
            writeln!(out, "{faint}    {line}{faint:#}")?;
        }
    }
    if growth.len() > LISTED {
        writeln!(out, "{faint}  {} more; --json FILE has all{faint:#}", growth.len() - LISTED)?;
    }
    writeln!(out)
}

/// What grows, each with its line.
fn write_sources(out: &mut impl Write, report: &GrowthReport, paint: Painter) -> fmt::Result {
    for source in report.sources.iter().filter(|source| source.is_told).take(LISTED) {
        let what = match source.size {
            Some(size) => format!("regions of {} in {}", bytes(size), source.memory),
            None if !source.site.is_empty() => format!("regions of many sizes in {}", source.memory),
            None => format!("{} as a whole", source.memory),
        };
        write_wrapped(
            out,
            "    ",
            &format!(
                "+{} {what}, {} an iteration; {} live at the last look",
                count(source.regions_per_iteration),
                bytes(source.bytes_per_iteration),
                count(source.live_regions)
            ),
        )?;
        write_site(out, 6, &source.site, paint)?;
    }
    Ok(())
}

/// Writes a paragraph, its first line behind `lead` and the others below it.
pub fn write_wrapped(out: &mut impl Write, lead: &str, text: &str) -> fmt::Result {
    let mut column = lead.len();
    write!(out, "{lead}")?;
    for (at, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if at > 0 && column + 1 + length > WIDTH {
            write!(out, "\n{:1$}", "", lead.len())?;
            column = lead.len();
        } else if at > 0 {
            write!(out, " ")?;
            column += 1;
        }
        write!(out, "{word}")?;
        column += length;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_stay_within_the_width() {
        let mut text = String::new();
        write_wrapped(&mut text, "* ", &"word ".repeat(60)).unwrap();
        assert!(text.lines().count() > 3 && text.lines().all(|line| line.len() <= WIDTH));
        assert!(text.lines().skip(1).all(|line| line.starts_with("  word")));
    }
}
