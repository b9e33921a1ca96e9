//! When memory was refused: what was asked for and where, why there was none, who held most, and what could have gone.

use std::{
    collections::HashMap,
    fmt::{self, Write},
};

use serde::{Deserialize, Serialize};
use ttmem_ledger::{Clash, OutOfMemory, SiteHolding};
use ttmem_ring::ClockMap;
use ttmem_wire::CoreRange;

use super::{
    bytes,
    collect::regions_of,
    group,
    model::RegionReport,
    text::{Painter, write_site, write_wrapped},
    units::{count, noun},
};
use crate::sites::{Named, Naming};

/// Refusals that the text tells.
const LISTED: usize = 6;
/// Holders that it tells of the last of them.
const HOLDERS: usize = 5;

/// A refusal: of the allocator, or of a program whose circular buffers found no room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of ttmem_ledger::OutOfMemory")]
pub struct OutOfMemoryReport {
    pub devices: Vec<i32>,
    pub memory: String,
    pub size: u64,
    pub size_per_bank: Option<u64>,
    pub at_ns: u64,
    pub live_bytes: u64,
    #[serde(default)]
    pub live_bytes_per_bank: Option<u64>,
    /// Free in each bank then; null where the allocator did not say.
    #[serde(default)]
    pub free_bytes_per_bank: Option<u64>,
    /// The largest free block in each bank then.
    #[serde(default)]
    pub largest_free_block_per_bank: Option<u64>,
    /// What a bank had too little of: of all that is free, or of one block where all would do.
    #[serde(default)]
    pub missing_bytes_per_bank: Option<u64>,
    /// Whether there was enough in all, but in no single block.
    #[serde(default)]
    pub is_fragmented: Option<bool>,
    #[serde(default)]
    pub thread: u32,
    /// Who asked: the call site, innermost frame first; empty where it is not known.
    #[serde(default)]
    pub site: Vec<String>,
    /// The operation of ttnn that asked, where a frame tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// The largest regions in that memory then, on the first device.
    #[serde(default)]
    pub holders: Vec<RegionReport>,
    /// The call sites that held most there.
    #[serde(default)]
    pub holders_by_site: Vec<HoldingReport>,
    /// The same added up by operation.
    #[serde(default)]
    pub holders_by_op: Vec<HoldingReport>,
    /// Of circular buffers that found no room: what was in whose way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clash: Option<ClashReport>,
}

/// What one call site, or one operation, held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldingReport {
    /// The call site; empty where it is not known, and where an operation is told.
    pub site: Vec<String>,
    /// The operation, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// How many regions.
    pub regions: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Held by the program cache: they go when it is cleared.
    pub cached: bool,
    /// When the oldest of them was made.
    pub oldest_at_ns: u64,
    /// And the youngest.
    pub youngest_at_ns: u64,
    /// The most holders that any of them has.
    pub most_holders: u32,
}

/// Circular buffers of a program met the buffers in L1, or its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClashReport {
    /// Of which program, as far as the circular buffers of one can be told from another's; 0 if not known.
    pub program: u64,
    /// `circular` or `dataflow`.
    pub buffers: String,
    /// The cores where there was no room, as tt-metal writes them: "[0-0 - 7-7]".
    pub cores: Option<String>,
    /// Where the program's buffers end there.
    pub region_end: Option<u64>,
    /// Where the lowest buffer in L1 lies; null where the program's are too large for L1 itself.
    pub lowest_address: Option<u64>,
    /// The size of L1, where they are.
    pub l1_size: Option<u64>,
    /// What was missing on each of these cores.
    pub shortfall_bytes: Option<u64>,
    /// The lowest buffer.
    pub lowest: Option<RegionReport>,
    /// Buffers in L1 that begin below `region_end`.
    pub in_the_way_regions: u64,
    /// Their bytes on the device.
    pub in_the_way_bytes: u64,
}

impl OutOfMemoryReport {
    pub(crate) fn new(refused: &OutOfMemory, clock: &ClockMap, naming: &Naming<'_>) -> Self {
        let is_fragmented = refused.is_fragmented();
        let missing = refused.size_per_bank.zip(refused.space).map(|(wanted, space)| {
            wanted.saturating_sub(if is_fragmented == Some(true) { space.largest_block } else { space.free })
        });
        let Named { frames, op } = naming.named(refused.site);
        let (holders_by_site, holders_by_op) = holdings(&refused.sites, clock, naming);
        Self {
            devices: refused.devices.clone(),
            memory: refused.memory.to_string(),
            size: refused.size,
            size_per_bank: refused.size_per_bank,
            at_ns: clock.realtime_ns(refused.ticks),
            live_bytes: refused.live_bytes,
            live_bytes_per_bank: refused.live_bytes_per_bank,
            free_bytes_per_bank: refused.space.map(|space| space.free),
            largest_free_block_per_bank: refused.space.map(|space| space.largest_block),
            missing_bytes_per_bank: missing.or(refused.clash.as_ref().and_then(Clash::shortfall)),
            is_fragmented,
            thread: refused.thread,
            site: frames,
            op,
            holders: regions_of(&refused.holders, clock, naming),
            holders_by_site,
            holders_by_op,
            clash: refused.clash.as_ref().map(|clash| ClashReport::new(clash, clock, naming)),
        }
    }

    /// What happened, in a sentence without its first number.
    fn sentence(&self) -> String {
        let place = group::plain_name(&self.devices);
        let asked = asked(self);
        if let Some(clash) = &self.clash {
            return format!("{}{asked}", clash.sentence(&place));
        }
        let banks = self.size_per_bank.map_or_else(String::new, |size| format!("({} a bank) ", bytes(size)));
        let why = match (self.is_fragmented, self.free_bytes_per_bank, self.largest_free_block_per_bank) {
            (Some(is_fragmented), Some(free), Some(block)) => format!(
                "; free: {} a bank, {} in one block: {}, {} missing a bank",
                bytes(free),
                bytes(block),
                if is_fragmented { "fragmented" } else { "exhausted" },
                bytes(self.missing_bytes_per_bank.unwrap_or(0))
            ),
            _ => String::new(),
        };
        format!("{banks}of {} on {place}{asked}; live then: {}{why}", self.memory, bytes(self.live_bytes))
    }
}

/// "asked by ttnn.matmul at model.py:41", as far as it is known, behind a comma.
fn asked(refused: &OutOfMemoryReport) -> String {
    let by = refused.op.as_ref().map_or_else(String::new, |op| format!(" by {op}"));
    let at =
        refused.site.first().and_then(|frame| short_place(frame)).map_or_else(String::new, |at| format!(" at {at}"));
    if by.is_empty() && at.is_empty() { String::new() } else { format!(", asked{by}{at}") }
}

/// File and line of a frame, without the folders.
fn short_place(frame: &str) -> Option<&str> {
    let (_, place) = frame.strip_suffix(')')?.split_once(" (")?;
    let place = place.rsplit_once(", ").map_or(place, |(_, source)| source);
    let place = place.rsplit_once('/').map_or(place, |(_, file)| file);
    place.rsplit_once(':').is_some_and(|(_, line)| line.bytes().all(|byte| byte.is_ascii_digit())).then_some(place)
}

impl ClashReport {
    fn new(clash: &Clash, clock: &ClockMap, naming: &Naming<'_>) -> Self {
        let limit = |is_meant: bool| clash.limit.filter(|_| is_meant);
        let cores =
            |CoreRange { first_x, first_y, last_x, last_y }| format!("[{first_x}-{first_y} - {last_x}-{last_y}]");
        Self {
            program: clash.program,
            buffers: if clash.is_dataflow { "dataflow" } else { "circular" }.to_owned(),
            cores: clash.cores.map(cores),
            region_end: clash.region_end,
            lowest_address: limit(!clash.is_beyond_l1),
            l1_size: limit(clash.is_beyond_l1),
            shortfall_bytes: clash.shortfall(),
            lowest: clash.lowest.and_then(|lowest| regions_of(&[lowest], clock, naming).pop()),
            in_the_way_regions: clash.in_the_way.allocations,
            in_the_way_bytes: u64::try_from(clash.in_the_way.bytes).unwrap_or(u64::MAX),
        }
    }

    fn sentence(&self, place: &str) -> String {
        let Self { buffers, region_end, lowest_address, l1_size, .. } = self;
        let cores = self.cores.as_ref().map_or_else(String::new, |cores| format!(" on cores {cores}"));
        let end = region_end.map_or_else(String::new, |end| format!(" end at {end}"));
        let met = match (lowest_address, l1_size) {
            (Some(lowest), _) => format!("; the lowest buffer in L1 lies at {lowest}"),
            (_, Some(size)) => format!("; L1 is no larger than {size}"),
            _ => String::new(),
        };
        format!("missing on each core of {place}: {buffers} buffers of a program{end}{cores}{met}")
    }
}

/// By call site, those that are told alike together; and by operation.
fn holdings(sites: &[SiteHolding], clock: &ClockMap, naming: &Naming<'_>) -> (Vec<HoldingReport>, Vec<HoldingReport>) {
    let (mut by_site, mut by_op) = (Vec::new(), Vec::new());
    for holding in sites {
        let Named { frames, op } = naming.named(holding.site);
        let report = HoldingReport {
            site: frames,
            op,
            regions: holding.held.allocations,
            bytes: u64::try_from(holding.held.bytes).unwrap_or(u64::MAX),
            cached: holding.cached,
            oldest_at_ns: clock.realtime_ns(holding.oldest_ticks),
            youngest_at_ns: clock.realtime_ns(holding.youngest_ticks),
            most_holders: holding.most_holders,
        };
        by_op.push(HoldingReport { site: Vec::new(), ..report.clone() });
        by_site.push(report);
    }
    (together(by_site), together(by_op))
}

fn together(reports: Vec<HoldingReport>) -> Vec<HoldingReport> {
    let mut all: Vec<HoldingReport> = Vec::new();
    let mut index: HashMap<(Vec<String>, Option<String>, bool), usize> = HashMap::new();
    for report in reports {
        let at = *index.entry((report.site.clone(), report.op.clone(), report.cached)).or_insert(all.len());
        match all.get_mut(at) {
            Some(other) => {
                other.regions += report.regions;
                other.bytes = other.bytes.saturating_add(report.bytes);
                other.oldest_at_ns = other.oldest_at_ns.min(report.oldest_at_ns);
                other.youngest_at_ns = other.youngest_at_ns.max(report.youngest_at_ns);
                other.most_holders = other.most_holders.max(report.most_holders);
            }
            None => all.push(report),
        }
    }
    all.sort_by_key(|report| std::cmp::Reverse(report.bytes));
    all
}

/// The last of these refusals and who held most then, in a few lines for a failure of a test; nothing where there is none.
pub(crate) fn terse(refused: &[OutOfMemoryReport]) -> Option<String> {
    let last = refused.last()?;
    let mut text = match last.clash.as_ref().and_then(|clash| clash.shortfall_bytes) {
        Some(shortfall) => format!("ttmem: out of memory: {} {}\n", bytes(shortfall), last.sentence()),
        None if last.clash.is_some() => format!("ttmem: out of memory: {}\n", last.sentence()),
        None => format!("ttmem: out of memory: {} {}\n", bytes(last.size), last.sentence()),
    };
    // Writing to a string does not fail.
    let _ = write_holders(&mut text, last, "then", Painter::plain());
    if refused.len() > 1 {
        let _ = writeln!(text, "  ({} more refusals before it)", refused.len() - 1);
    }
    Some(text)
}

/// All refusals; of the last, who held most.
pub(super) fn write_out_of_memory(out: &mut impl Write, refused: &[OutOfMemoryReport], paint: Painter) -> fmt::Result {
    let Painter { heading, faint, .. } = paint;
    let Some(last) = refused.last() else { return Ok(()) };
    writeln!(out, "{heading}Out of memory{heading:#}{faint}: what was asked for, and what was live then{faint:#}")?;
    for event in refused.iter().take(LISTED) {
        let size = match &event.clash {
            Some(clash) => clash.shortfall_bytes.map_or_else(|| "?".to_owned(), bytes),
            None => bytes(event.size),
        };
        write_wrapped(out, &format!("{size:>12}  "), &event.sentence())?;
        write_site(out, 14, &event.site, paint)?;
    }
    if refused.len() > LISTED {
        writeln!(out, "{faint}{:>12}  {} more{faint:#}", "", refused.len() - LISTED)?;
    }
    let which = if refused.len() == 1 { "then" } else { "at the last of them" };
    write_holders(out, last, which, paint)?;
    writeln!(out)
}

/// What was in the way, and who held most.
fn write_holders(out: &mut impl Write, last: &OutOfMemoryReport, which: &str, paint: Painter) -> fmt::Result {
    let faint = paint.faint;
    if let Some((clash, lowest)) =
        last.clash.as_ref().and_then(|clash| clash.lowest.as_ref().map(|lowest| (clash, lowest)))
    {
        let op = lowest.op.as_ref().map_or_else(String::new, |op| format!(", of {op}"));
        writeln!(out, "{faint}  the lowest buffer {which}:{faint:#}")?;
        write_wrapped(
            out,
            &format!("{:>12}  ", bytes(lowest.size)),
            &format!("{} at {:#x}{op}", lowest.memory, lowest.address),
        )?;
        write_site(out, 14, &lowest.site, paint)?;
        let regions = clash.in_the_way_regions;
        if regions > 1 {
            let line = format!(
                "{} {} in L1 begin below {}: {}",
                count(regions),
                noun(regions, "buffer", "buffers"),
                clash.region_end.unwrap_or(0),
                bytes(clash.in_the_way_bytes)
            );
            writeln!(out, "{faint}  {line}{faint:#}")?;
        }
    }
    if last.holders_by_site.iter().all(|holding| holding.site.is_empty()) {
        // Nobody knows whose they are: then each by itself.
        if !last.holders.is_empty() {
            writeln!(out, "{faint}  the largest holders {which}:{faint:#}")?;
        }
        for region in last.holders.iter().take(HOLDERS) {
            let why = if region.cached { ", program cache" } else { "" };
            writeln!(out, "{:>12}  {} at {:#x}{why}", bytes(region.size), region.memory, region.address)?;
        }
    } else {
        writeln!(out, "{faint}  who held most {which}, by call site:{faint:#}")?;
        for holding in last.holders_by_site.iter().take(HOLDERS) {
            write_wrapped(out, &format!("{:>12}  ", bytes(holding.bytes)), &holding.sentence(last.at_ns))?;
            write_site(out, 14, &holding.site, paint)?;
        }
        if last.holders_by_op.iter().any(|holding| holding.op.is_some()) {
            let by_op = last.holders_by_op.iter().take(HOLDERS).map(|holding| {
                let op = holding.op.as_deref().unwrap_or("no op");
                format!("{op} {}{}", bytes(holding.bytes), if holding.cached { " (program cache)" } else { "" })
            });
            write_wrapped(out, "  ", &format!("by op: {}", by_op.collect::<Vec<_>>().join(", ")))?;
        }
    }
    Ok(())
}

impl HoldingReport {
    /// What they are, how old, and what would free them.
    fn sentence(&self, now_ns: u64) -> String {
        let mut text = format!("{} {}", count(self.regions), noun(self.regions, "region", "regions"));
        if let Some(op) = &self.op {
            text += &format!(" of {op}");
        }
        let (oldest, youngest) = (age(now_ns, self.oldest_at_ns), age(now_ns, self.youngest_at_ns));
        text += &if oldest == youngest { format!(", {oldest} old") } else { format!(", {youngest} to {oldest} old") };
        if self.most_holders > 1 {
            text += &format!(", held by up to {}", self.most_holders);
        }
        if self.cached {
            text += ", goes with the program cache";
        }
        text
    }
}

fn age(now_ns: u64, then_ns: u64) -> String {
    let ms = now_ns.saturating_sub(then_ns) / 1_000_000;
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min", ms / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::short_place;

    #[test]
    fn places_are_told_without_folders() {
        assert_eq!(short_place("f (/a/b/model.py:41)"), Some("model.py:41"));
        assert_eq!(short_place("app::f (app+0x10, /a/b.cpp:7)"), Some("b.cpp:7"));
        assert_eq!(short_place("app::f (app+0x10)"), None);
        assert_eq!(short_place("app+0x10"), None);
    }
}
