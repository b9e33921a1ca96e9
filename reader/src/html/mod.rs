//! `ttmem report --html`: a page that needs nothing but itself. See docs/html.md.
//!
//! The pump applies each event once, and a [`Drawing`] looks on: the page costs no replay of its own.

mod aside;
mod json;
mod kinds;
mod lines;
mod live;
mod lives;
mod marks;
mod model;
mod moments;
mod number;
mod once;
mod peaks;
mod place;
mod source;
mod sums;
mod timeline;
mod top;
mod traces;
mod versus;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use ttmem_ledger::Change;
use ttmem_wire::{Event, EventKind, Pool, Target, flags};

pub(crate) use self::live::Live;
pub use self::versus::{Run, versus_page};
use self::{kinds::Kinds, lives::Noted, marks::Marks, peaks::Peaks, source::SourceLines, traces::Traces};
use crate::{
    Account, Failure, Tell,
    analysis::Analysis,
    replay::{Input, one_by_one, pump},
    report::Report,
};

/// What was seen of an input while it was replayed; the page is made of it, and of the report.
#[derive(Debug)]
pub struct Drawing {
    file: String,
    /// In the order in which they began.
    processes: Vec<Sketch>,
}

impl Drawing {
    /// Replays an input and looks on. The processes are those of a report on it.
    ///
    /// # Errors
    /// If the input cannot be read, or is damaged.
    pub fn of(input: Input) -> Result<(Self, Vec<Box<dyn Tell>>), Failure> {
        let mut sketches: BTreeMap<u32, Sketch> = BTreeMap::new();
        let replayed = aside::collect(|aside| {
            pump(&input, &mut |replay, records| {
                let number = replay.number();
                let sketch = sketches.entry(number).or_default();
                replay.account_mut().ledger_mut().note_changes();
                one_by_one(replay.account_mut(), records, |account, _, event| {
                    let noted = sketch.look(account, event, &mut |_| None);
                    aside.note(number, &sketch.changes, noted);
                    Ok(())
                })
            })
        });
        let (replayed, mut traces) = replayed.map_err(|why| Failure::with(input.path(), why))?;
        let mut replayed = replayed.map_err(|why| why.failure(input.path()))?.processes;
        let sketch = |replay: &mut crate::Replay| {
            let mut sketch = sketches.remove(&replay.number()).unwrap_or_default();
            sketch.traces = traces.remove(&replay.number()).unwrap_or_default();
            sketch.end(replay.account_mut());
            sketch
        };
        let processes = replayed.iter_mut().map(sketch).collect();
        let drawing = Self { file: input.path().display().to_string(), processes };
        let told = match input.into_session() {
            Some(session) => vec![Box::new(session) as Box<dyn Tell>],
            None => replayed.into_iter().map(|replay| Box::new(replay) as Box<dyn Tell>).collect(),
        };
        Ok((drawing, told))
    }

    /// The page on these processes, which [`Drawing::of`] gave, and the analysis and report on them. A process that the report leaves out is
    /// left out.
    pub fn page(self, processes: &[Box<dyn Tell>], analysis: &Analysis, report: &Report) -> String {
        let mut lines = SourceLines::default();
        let drawn = processes.iter().zip(self.processes).filter_map(|(process, sketch)| {
            let told = process.told();
            let ring_id = format!("{:032x}", told.ring_id);
            let said = report.processes.iter().find(|said| (said.pid, &said.ring_id) == (told.pid, &ring_id))?;
            let analysed = analysis.processes.iter().find(|one| (one.pid, one.ring_id) == (told.pid, told.ring_id))?;
            Some(Arc::new(model::Process::new(&told, said, analysed, sketch, &mut lines)))
        });
        fill(&model::Page { ttmem: env!("CARGO_PKG_VERSION"), processes: drawn.collect(), file: self.file, live: None })
    }
}

/// What was seen of one process.
#[derive(Clone, Debug, Default)]
struct Sketch {
    peaks: Peaks,
    marks: Marks,
    kinds: Kinds,
    /// Allocations of each kind, by number, over all devices.
    allocations: Vec<u64>,
    traces: Traces,
    /// What the latest event changed.
    changes: Vec<Change>,
}

impl Sketch {
    /// Applies an event, and looks at the account before and after it.
    fn note(&mut self, account: &mut Account, event: &Event, pools: &mut dyn FnMut(u32) -> Option<Pool>) {
        let noted = self.look(account, event, pools);
        self.traces.note(&self.changes, &noted);
    }

    /// The same, but that the traces are still to take note of the changes.
    fn look(&mut self, account: &mut Account, event: &Event, pools: &mut dyn FnMut(u32) -> Option<Pool>) -> Noted {
        self.peaks.before(account.ledger(), event);
        account.apply(event, pools);
        match event.kind {
            EventKind::Mark | EventKind::MarkMore => self.marks.note(account, &mut self.kinds),
            EventKind::Allocate | EventKind::CbAllocate => self.note_allocation(account, event),
            _ => {}
        }
        account.ledger_mut().take_changes(&mut self.changes);
        self.peaks.note(&self.changes);
        let noted = Noted::new(event);
        let has_more_cores = event.flags & flags::MORE_CORES != 0;
        let device = if has_more_cores { first_device(account, event) } else { None };
        device.map_or(noted, |device| noted.widening(event, device))
    }

    fn note_allocation(&mut self, account: &Account, event: &Event) {
        let Some(memory) = event.memory.filter(|_| event.flags & flags::MORE_CORES == 0) else { return };
        let devices = match event.target {
            Target::Device(_) => 1,
            Target::Pool(index) => account.pool(index).map_or(0, |pool| pool.chips.len() as u64),
        };
        let number = self.kinds.number((memory, event.site, event.size));
        if self.allocations.len() <= number {
            self.allocations.resize(number + 1, 0);
        }
        self.allocations[number] += devices;
    }

    fn end(&mut self, account: &Account) {
        self.peaks.end(account.ledger());
        self.traces.end(account.ledger());
    }
}

fn first_device(account: &Account, event: &Event) -> Option<i32> {
    match event.target {
        Target::Device(device) => Some(device),
        Target::Pool(index) => account.pool(index).and_then(|pool| pool.chips.first().copied()),
    }
}

/// One idea each, in one scope: what comes later uses what comes before.
const SCRIPTS: [&str; 24] = [
    include_str!("page/words.js"),
    include_str!("page/canvas.js"),
    include_str!("page/history.js"),
    include_str!("page/sources.js"),
    include_str!("page/state.js"),
    include_str!("page/processes.js"),
    include_str!("page/summary.js"),
    include_str!("page/growth.js"),
    include_str!("page/line.js"),
    include_str!("page/bands.js"),
    include_str!("page/timeline.js"),
    include_str!("page/flame.js"),
    include_str!("page/clash.js"),
    include_str!("page/map.js"),
    include_str!("page/csv.js"),
    include_str!("page/tree.js"),
    include_str!("page/cores.js"),
    include_str!("page/grid.js"),
    include_str!("page/column.js"),
    include_str!("page/chip.js"),
    include_str!("page/table.js"),
    include_str!("page/difference.js"),
    include_str!("page/moments.js"),
    include_str!("page/main.js"),
];

/// Puts the data into the page. Nothing in it can end the element that it lies in, or begin another.
fn fill(page: &model::Page) -> String {
    // A live page asks the server that it came from, and nobody else.
    let (network, live) = match page.live {
        Some(_) => ("; connect-src 'self'", include_str!("page/live.js")),
        None => ("", ""),
    };
    fill_with(page, &(SCRIPTS.concat() + live), network)
}

fn fill_with(page: &impl Serialize, script: &str, network: &str) -> String {
    let data = json::for_page(page);
    // In the order of the page: what programs wrote must not be taken for a place to fill.
    let parts = [
        ("/*NETWORK*/", network),
        ("/*STYLE*/", include_str!("page/page.css")),
        ("\"DATA\"", &data),
        ("/*SCRIPT*/", script),
    ];
    let mut rest = include_str!("page/page.html");
    let mut text = String::with_capacity(rest.len() + parts.iter().map(|(_, part)| part.len()).sum::<usize>());
    for (place, part) in parts {
        let (before, after) = rest.split_once(place).unwrap_or((rest, ""));
        text.extend([before, part]);
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_wrote_stays_data() {
        let file = "</script><script>alert(1)</script>&amp; /*SCRIPT*/ <!--".to_owned();
        let text = fill(&model::Page { ttmem: "1", file: file.clone(), processes: Vec::new(), live: None });
        assert_eq!(text.matches("<script").count(), 2, "the page's own: data and code");
        assert_eq!(text.matches("</script").count(), 2);
        assert!(!text.contains("<!--"));
        let start = text.find("{\"ttmem\"").unwrap();
        let end = start + text[start..].find("</script>").unwrap();
        let json: serde_json::Value = serde_json::from_str(text[start..end].trim()).unwrap();
        assert_eq!(json["file"], file, "and comes back as it was");
        assert!(text.contains("default-src 'none'"), "no network");
    }
}
