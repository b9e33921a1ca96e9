//! A moment of a report: its end, or a mark; or what was left behind by a region of the program.

use crate::{
    Failure,
    report::{Cut, ProcessReport, RegionReport, Report, Verdict, named, verdict},
};

/// What was held at a moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which file, and which moment of it.
    pub label: String,
    /// What was held, one entry a device.
    pub regions: Vec<RegionReport>,
    /// Why it may be incomplete, where it may.
    pub inconclusive: Option<String>,
}

impl Snapshot {
    /// The end of all processes of a report: what was live, and what only the closing of devices had released before.
    pub fn at_end(report: Report, label: String) -> Self {
        let inconclusive = inconclusive(&report);
        let regions = report.processes.into_iter().flat_map(|process| {
            let ProcessReport { live, released_at_close, .. } = process;
            live.into_iter().chain(released_at_close)
        });
        Self { label, regions: regions.collect(), inconclusive }
    }

    /// A mark: `name`, or `name:N` for the Nth of that name, from 1. Of several processes that have it, all count.
    ///
    /// # Errors
    /// If no process has it, or the report does not list what was live then.
    pub fn at_mark(report: &Report, name: &str, is_last: bool, label: String) -> Result<Self, Failure> {
        let inconclusive = inconclusive(report);
        let mut regions = Vec::new();
        let mut is_known = false;
        for process in &report.processes {
            let Some(at) = find(process, name, is_last) else { continue };
            is_known = true;
            let live = process.marks[at].live.as_ref().ok_or_else(|| {
                Failure::new(format!(
                    "{label}: lists no regions at marks; make the report with --live-at-marks, or record the run"
                ))
            })?;
            regions.extend(live.iter().cloned());
        }
        if !is_known {
            let names = named::some_of(report.processes.iter().flat_map(marks)).unwrap_or_else(|| "none".to_owned());
            return Err(Failure::new(format!("{label}: no mark {name:?}; it has {names}")));
        }
        Ok(Self { label: format!("{label} at {name}"), regions, inconclusive })
    }
}

/// Which runs of a region of the program are looked at, of each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// All together.
    All,
    /// The first alone.
    First,
    /// The last alone, which is another than the first.
    Last,
}

impl Snapshot {
    /// What regions of the program of that name left behind, or `name:N` the Nth; over all processes.
    ///
    /// # Errors
    /// If no process had one; or the first and the last are asked for and there is but one.
    pub fn left_by_region(mut report: Report, name: &str, runs: Runs, label: String) -> Result<Self, Failure> {
        Cut::to_region(&mut report, name).map_err(|why| Failure::new(format!("{label}: {why}")))?;
        let label = match runs {
            Runs::All => format!("what {name} left behind in {label}"),
            Runs::First | Runs::Last => {
                // Who ran it once has nothing to compare.
                report.processes.retain(|process| process.regions.len() > 1);
                if report.processes.is_empty() {
                    let why = format!("{label}: {name:?} ran once; name another file to compare it with");
                    return Err(Failure::new(why));
                }
                for spans in report.processes.iter_mut().map(|process| &mut process.regions) {
                    if runs == Runs::Last {
                        spans.reverse();
                    }
                    spans.truncate(1);
                }
                let which = if runs == Runs::Last { "last" } else { "first" };
                format!("what the {which} {name} left behind in {label}")
            }
        };
        let mut inconclusive = inconclusive(&report);
        let mut regions = Vec::new();
        for span in report.processes.into_iter().flat_map(|process| process.regions) {
            let (all, listed) = (span.left_behind.buffers, span.left_behind_regions.len() as u64);
            if listed < all && inconclusive.is_none() {
                inconclusive = Some(format!("{listed} of {all} regions that one of them left behind are listed"));
            }
            regions.extend(span.left_behind_regions);
        }
        Ok(Self { label, regions, inconclusive })
    }
}

/// The mark's place: the first of that name, or the last.
fn find(process: &ProcessReport, name: &str, is_last: bool) -> Option<usize> {
    let all = named::find(&marks(process).collect::<Vec<_>>(), name);
    if is_last { all.last() } else { all.first() }.copied()
}

fn marks(process: &ProcessReport) -> impl Iterator<Item = &str> {
    process.marks.iter().map(|mark| mark.name.as_str())
}

fn inconclusive(report: &Report) -> Option<String> {
    report.processes.iter().find_map(|process| match verdict(process) {
        Verdict::Inconclusive(why) => Some(why),
        _ => None,
    })
}
