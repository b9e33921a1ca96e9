//! `ttmem diff`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{
    input::{self, Kind},
    judge::{FAILED, Judge, parse_size},
    output::{self, StackOptions},
};
use crate::{
    Failure, ProcessName, Suppressions,
    analysis::{Analysis, Difference, Runs, Snapshot, difference},
    html::{Drawing, Run, versus_page},
    plain_file,
    replay::Input,
    report::{DifferenceReport, Report, bytes, incomplete, write_difference},
    visible::{visible_json, visible_path},
};

/// Compare two moments: what appeared, went, grew and shrank, by call site, memory, size and device.
///
/// Two files are compared by what was left at their ends: live when the processes ended, or released only when devices were
/// closed. With --from and --to, two marks of one file are compared, or a mark of each. A mark that comes often is the
/// first of its name for --from and the last for --to; NAME:3 is the third.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem diff before.ttmem after.ttmem
  ttmem diff yesterday.json today.json
  ttmem diff --from 'epoch 1' --to 'epoch 9' run.ttmem
  ttmem diff --html diff.html before.ttmem after.ttmem
  ttmem diff --region decode before.ttmem after.ttmem
  ttmem diff --region decode run.ttmem             (its first run and its last)
  ttmem diff --from step:2 --to step:9 --fail-on-growth run.ttmem")]
pub(super) struct DiffFiles {
    /// Compare at this mark of A.
    #[arg(long, value_name = "MARK")]
    from: Option<String>,
    /// Compare at this mark of B, or of A where there is no B.
    #[arg(long, value_name = "MARK")]
    to: Option<String>,
    /// Compare what this region of the program left in A with what it left in B; NAME:3 is the third of that name.
    /// Without B, what its first run in A left with what its last left.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "to"])]
    region: Option<String>,
    /// Write the difference as JSON (schema ttmem-diff/1) to FILE too; "-" is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with pictures to FILE: both runs over time, and a flame graph of what changed (docs/html.md).
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print nothing.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    style: StackOptions,
    #[command(flatten)]
    judge: Judge,
    /// Exit with 23 if B has more than BYTES (default 0; 36KiB will do too) more than A. --fail-on-leak and --fail-on-leftover judge B.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, require_equals = true, default_missing_value = "0",
          value_parser = parse_size)]
    fail_on_growth: Option<u64>,
    /// A recording, a report in JSON, or a ring.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Compare one process alone, by its id or words of its command line, as model.py: the one of that name in A and in B.
    #[arg(long, value_name = "PID|NAME", visible_alias = "process")]
    pid: Option<ProcessName>,
    /// Another; may be left out with --region, and where --from and --to name marks of A.
    #[arg(value_name = "B")]
    b: Option<PathBuf>,
}

impl DiffFiles {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        for path in self.json.iter().chain(&self.html) {
            output::check_writable(path)?;
        }
        let suppressions = self.judge.suppressions()?;
        if self.b.is_none() && self.region.is_none() && (self.from.is_none() || self.to.is_none()) {
            let why = "diff of one file needs --from MARK and --to MARK, or --region NAME; else name two files";
            return Err(Failure::new(why));
        }
        let mut runs = Vec::new();
        let a = self.read(&self.a, self.from.as_deref(), &suppressions, &mut runs)?;
        let b = self.read(self.b.as_ref().unwrap_or(&self.a), self.to.as_deref(), &suppressions, &mut runs)?;
        let judged = self.judge.exit_code(&b, 0, self.quiet);
        let a = self.snapshot(a, &self.a, self.from.as_deref(), false)?;
        let b = self.snapshot(b, self.b.as_ref().unwrap_or(&self.a), self.to.as_deref(), true)?;
        let style = self.style.style();
        let difference = difference(&a, &b, style.full);
        let report = DifferenceReport::new(&difference, style);
        if let Some(path) = &self.html {
            // Of two moments of one run it has one timeline.
            runs.truncate(1 + usize::from(self.b.is_some()));
            output::write_text_file(path, &versus_page(&report, &runs))?;
            if !self.quiet {
                output::tell(&format!("ttmem: the page is in {}\n", visible_path(path)));
            }
        }
        if let Some(path) = &self.json {
            let json = visible_json(serde_json::to_string_pretty(&report).unwrap_or_default()) + "\n";
            output::write_text_file(path, &json)?;
        }
        if !self.quiet && self.json.as_deref() != Some(Path::new("-")) {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = write_difference(&mut text, &difference, &self.style.stdout());
            output::print(&text)?;
        }
        Ok(ExitCode::from(self.exit_code(&difference, judged)))
    }

    /// Reads a file; what it had over time is added to `runs`, where a page is asked for.
    fn read(
        &self,
        path: &Path,
        mark: Option<&str>,
        suppressions: &Suppressions,
        runs: &mut Vec<Run>,
    ) -> Result<Analysis, Failure> {
        let style = self.style.style();
        let mut drawn = None;
        let mut analysis = match input::kind(path)? {
            Kind::Json => {
                let file = plain_file::open_small(path, Report::MAX_BYTES)?;
                let report = Report::from_json(file).map_err(|why| Failure::with(path, why))?;
                report.analysis(suppressions, style)
            }
            _ if self.html.is_some() => {
                let (drawing, processes) = Drawing::of(Input::open(path, mark.is_some())?)?;
                let analysis = Analysis::new(&processes, suppressions, style);
                drawn = Some((drawing, processes));
                analysis
            }
            _ => Analysis::new(&input::read(path, mark.is_some())?, suppressions, style),
        };
        if let Some(name) = &self.pid {
            analysis.select_process(name).map_err(|why| Failure::with(path, why))?;
        }
        runs.push(drawn.map(|(drawing, processes)| drawing.run(&processes, &analysis)).unwrap_or_default());
        Ok(analysis)
    }

    fn snapshot(
        &self,
        analysis: Analysis,
        path: &Path,
        mark: Option<&str>,
        is_last: bool,
    ) -> Result<Snapshot, Failure> {
        let label = path.display().to_string();
        match (mark, self.region.as_deref()) {
            (Some(mark), _) => Snapshot::at_mark(analysis, mark, is_last, label),
            (None, Some(region)) => {
                let runs = match (&self.b, is_last) {
                    (Some(_), _) => Runs::All,
                    (None, false) => Runs::First,
                    (None, true) => Runs::Last,
                };
                Snapshot::left_by_region(analysis, region, runs, label)
            }
            (None, None) => Ok(Snapshot::at_end(analysis, label)),
        }
    }

    fn exit_code(&self, difference: &Difference, judged: u8) -> u8 {
        let Some(allowed) = self.fail_on_growth else { return judged };
        if let Some(why) = incomplete(difference) {
            output::tell(&format!("ttmem: --fail-on-growth: inconclusive: {why}; exit code {judged}\n"));
            return judged;
        }
        let grown = u64::try_from(difference.bytes_change).unwrap_or(0);
        if grown <= allowed {
            return judged;
        }
        if !self.quiet {
            output::tell(&format!("ttmem: grew {}, {} allowed: exit code {FAILED}\n", bytes(grown), bytes(allowed)));
        }
        FAILED
    }
}
