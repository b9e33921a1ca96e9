//! `ttmem report`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    input,
    output::{self, ReportOptions},
};
use crate::{
    Failure,
    html::Drawing,
    replay::Input,
    report::{Cut, Report},
};

/// Reports from recordings, and from the rings of living and dead processes.
///
/// Takes nothing out of the rings: a second call tells the same.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem report run.ttmem
  ttmem report --html run.html run.ttmem       (opens in any browser, needs no network)
  ttmem report /dev/shm/ttmem-0/4242-*.ring
  ttmem report --mark 'epoch 3' run.ttmem      (what was live then)
  ttmem report --region decode run.ttmem       (what it brought and left)
  ttmem report --json - run.ttmem | jq .processes[0].live
  ttmem report --fail-on-leak=36KiB run.ttmem   (exit code 23 if more leaks)")]
pub(super) struct ReportFiles {
    #[command(flatten)]
    output: ReportOptions,
    /// Write a page with pictures to this file: timeline, flame graph, memory map (docs/html.md). One input only.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Tell of this mark alone: what was live then. Of several of that name the last; NAME:3 is the third.
    #[arg(long, value_name = "NAME", conflicts_with = "html")]
    mark: Option<String>,
    /// Tell of this region of the program alone: what it brought, and left behind. All of that name; NAME:3 is the third.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["html", "mark"])]
    region: Option<String>,
    /// Recordings, or ring files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl ReportFiles {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let suppressions = self.output.read_suppressions()?;
        let live_at_marks = self.output.live_at_marks || self.mark.is_some();
        let mut processes = Vec::new();
        let mut drawing = None;
        if let Some(path) = &self.html {
            let [file] = self.files.as_slice() else {
                return Err(Failure::new("--html draws one recording or ring; name one file"));
            };
            output::check_writable(path)?;
            let (drawn, drawn_processes) = Drawing::of(Input::open(file, live_at_marks)?)?;
            (drawing, processes) = (Some((path, drawn)), drawn_processes);
        } else {
            for path in &self.files {
                processes.extend(input::read(path, live_at_marks)?);
            }
        }
        let mut report = Report::in_style(&processes, self.output.site_style());
        suppressions.apply(&mut report);
        if let Some((path, drawing)) = drawing {
            output::write_text_file(path, &drawing.page(&processes, &report))?;
            if !self.output.quiet {
                output::tell(&format!("ttmem: the page is in {}\n", path.display()));
            }
        }
        let cut = match (&self.mark, &self.region) {
            (Some(name), _) => Some(Cut::at_mark(&mut report, name)?),
            (_, Some(name)) => Some(Cut::to_region(&mut report, name)?),
            _ => None,
        };
        if let Some(path) = &self.output.json {
            output::write_json(path, &report)?;
        }
        if !self.output.quiet && !self.output.json_is_stdout() {
            let mut text = match &cut {
                Some(cut) => output::text_of_cut(&report, cut),
                None => output::text(&report),
            };
            if report.processes.is_empty() {
                text += "No process reported an event.\n";
            }
            if self.output.json.is_none() && cut.is_none() {
                let files = self.files.iter().map(|path| path.to_string_lossy());
                text += &format!("Next: ttmem report --json report.json {}\n", output::shell_words(files));
            }
            output::print(&text)?;
        }
        Ok(ExitCode::from(self.output.exit_code(&report, 0)))
    }
}
