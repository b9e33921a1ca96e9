//! A table (RFC 4180, lines end in a line feed): what is live at a moment, or every event.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use super::{
    Exporter, Output,
    rows::{born_ns, event_row, state_name},
};
use crate::{
    replay::{Step, StepKind},
    visible::is_hidden,
};

const REGIONS: &str = "pid,device,memory,allocator,program,address,size,size_per_bank,holders,reports,state,\
                       allocated_at_ns,thread,num_cores,globally_allocated,preallocated,cached,site,op,tensor";
const EVENTS: &str = "time_ns,pid,event,devices,allocator,memory,address,size,size_per_bank,holder,thread,num_cores,\
                      free_per_bank,largest_free_block,flags,name,site,region,op,tensor";

pub(super) struct Csv<'a> {
    events: bool,
    output: &'a mut Output,
}

impl<'a> Csv<'a> {
    pub(super) fn begin(events: bool, output: &'a mut Output) -> io::Result<Self> {
        writeln!(output, "{}", if events { EVENTS } else { REGIONS })?;
        Ok(Self { events, output })
    }

    fn regions(&mut self, step: &Step<'_>) -> io::Result<()> {
        let StepKind::Moment { lives, .. } = step.kind else { return Ok(()) };
        for life in lives {
            let region = &life.region;
            let site = step.process.frames(region.site).join("\n");
            writeln!(
                self.output,
                "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
                step.process.pid,
                region.device,
                region.memory,
                life.allocator,
                life.program,
                region.address,
                region.size,
                optional(region.size_per_bank),
                region.holders,
                region.reports,
                state_name(region, false),
                born_ns(step, region),
                region.thread,
                region.num_cores,
                region.globally_allocated,
                region.preallocated,
                region.cached,
                quoted(&site),
                quoted(step.process.op(region.site)),
                quoted(step.process.tensor(region.tensor)),
            )?;
        }
        Ok(())
    }

    fn event(&mut self, step: &Step<'_>) -> io::Result<()> {
        let Some(row) = event_row(step) else { return Ok(()) };
        let devices: Vec<String> = row.devices.iter().map(i32::to_string).collect();
        writeln!(
            self.output,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            row.time_ns,
            row.pid,
            row.event,
            devices.join(" "),
            row.allocator,
            row.memory.unwrap_or_default(),
            optional(row.address),
            optional(row.size),
            optional(row.size_per_bank),
            row.holder,
            row.thread,
            row.num_cores,
            optional(row.free_per_bank),
            optional(row.largest_free_block),
            row.flags.join(" "),
            quoted(row.name.unwrap_or_default()),
            quoted(&row.site.join("\n")),
            row.region,
            quoted(row.op),
            quoted(row.tensor),
        )
    }
}

impl Exporter for Csv<'_> {
    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        if self.events { self.event(step) } else { self.regions(step) }
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn optional(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

/// Text that may hold anything: what is hidden is replaced, and a spreadsheet takes nothing for a formula
/// (owasp.org/www-community/attacks/CSV_Injection). The lines of a field are the frames of a stack.
fn quoted(text: &str) -> Cow<'_, str> {
    let lead = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    let is_hidden = |c| c != '\n' && is_hidden(c);
    if lead.is_empty() && !text.contains(['"', ',', '\n']) && !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("\"{lead}{}\"", text.replace(is_hidden, "\u{fffd}").replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn text_with_anything_in_it_stays_one_field() {
        assert_eq!(quoted("epoch 3"), "epoch 3");
        assert_eq!(quoted("a \"b\", c\nd"), "\"a \"\"b\"\", c\nd\"");
        assert_eq!(quoted("=1+cmd|' /C calc'!A0"), "\"'=1+cmd|' /C calc'!A0\"");
        assert_eq!(quoted("a\u{1b}[2J\r\u{202e}"), "\"a\u{fffd}[2J\u{fffd}\u{fffd}\"");
    }
}
