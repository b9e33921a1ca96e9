//! `ttmem diff --html`: what two runs had over time, and what changed between them.

use serde::Serialize;

use super::{
    Drawing, Sketch, fill_with,
    lines::{Line, lines},
    model::MARKS,
    moments::Time,
};
use crate::{Tell, Told, analysis::Analysis, report::DifferenceReport};

/// One idea each; the first five are of the page of a report too.
const SCRIPTS: [&str; 9] = [
    include_str!("page/words.js"),
    include_str!("page/canvas.js"),
    include_str!("page/line.js"),
    include_str!("page/bands.js"),
    include_str!("page/csv.js"),
    include_str!("page/versus_lines.js"),
    include_str!("page/versus_flame.js"),
    include_str!("page/versus_table.js"),
    include_str!("page/versus_main.js"),
];

/// The page on a difference. `runs` are those of A and of B; of two moments of one run there is one, of a report in JSON
/// one without processes.
pub fn versus_page(difference: &DifferenceReport, runs: &[Run]) -> String {
    fill_with(&Page { ttmem: env!("CARGO_PKG_VERSION"), difference, runs }, &SCRIPTS.concat(), "")
}

#[derive(Serialize)]
struct Page<'a> {
    ttmem: &'static str,
    difference: &'a DifferenceReport,
    runs: &'a [Run],
}

/// What the processes of a run had over time.
#[derive(Debug, Default, Serialize)]
pub struct Run {
    processes: Vec<Course>,
}

#[derive(Debug, Serialize)]
struct Course {
    pid: u32,
    command: String,
    /// Milliseconds of a column, and of all.
    column_ms: f64,
    span_ms: f64,
    lines: Vec<Line>,
    marks: Vec<(String, f64)>,
    refusals: Vec<(&'static str, f64)>,
}

impl Drawing {
    /// What these processes, which [`Drawing::of`] gave, had over time; those that the analysis leaves out are left out.
    pub fn run(self, processes: &[Box<dyn Tell>], analysis: &Analysis) -> Run {
        let drawn = processes.iter().zip(self.processes).filter_map(|(process, sketch)| {
            let told = process.told();
            let is_analysed = analysis.processes.iter().any(|one| (one.pid, one.ring_id) == (told.pid, told.ring_id));
            is_analysed.then(|| Course::new(&told, sketch))
        });
        Run { processes: drawn.collect() }
    }
}

impl Course {
    fn new(told: &Told<'_>, Sketch { traces, .. }: Sketch) -> Self {
        let line = traces.line;
        let time = Time::new(told.clock, line.start.unwrap_or(0));
        let refused = told.account.ledger().out_of_memory();
        Self {
            pid: told.pid,
            command: told.command.join(" "),
            column_ms: time.ms_of_ticks(line.latest, 1_u64 << line.width.min(63)),
            span_ms: time.ms(line.latest),
            marks: told
                .account
                .marks()
                .iter()
                .take(MARKS)
                .map(|mark| (mark.name.clone(), time.ms(mark.ticks)))
                .collect(),
            refusals: refused.iter().map(|refused| ("refused", time.ms(refused.ticks))).collect(),
            lines: lines(line),
        }
    }
}
