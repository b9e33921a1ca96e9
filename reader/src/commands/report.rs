//! `ttmem report`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    input,
    output::{self, ReportOptions},
};
use crate::{Failure, report::Report};

/// Reports from recordings, and from the rings of living and dead processes.
///
/// Takes nothing out of the rings: a second call tells the same.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem report run.ttmem
  ttmem report --html run.html run.ttmem       (opens in any browser, needs no network)
  ttmem report /dev/shm/ttmem-0/4242-*.ring
  ttmem report --json - run.ttmem | jq .processes[0].live
  ttmem report --fail-on-leak=36KiB run.ttmem   (exit code 23 if more leaks)")]
pub(super) struct ReportFiles {
    #[command(flatten)]
    output: ReportOptions,
    /// Write a page with pictures to this file: timeline, flame graph, memory map (docs/html.md). One input only.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Recordings, or ring files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl ReportFiles {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let suppressions = self.output.read_suppressions()?;
        if let Some(path) = &self.html {
            let [input] = self.files.as_slice() else {
                return Err(Failure::new("--html draws one recording or ring; name one file"));
            };
            output::check_writable(path)?;
            output::write_text_file(path, &crate::html::page(input)?)?;
            if !self.output.quiet {
                output::tell(&format!("ttmem: the page is in {}\n", path.display()));
            }
        }
        let mut processes = Vec::new();
        for path in &self.files {
            processes.extend(input::read(path, self.output.live_at_marks)?);
        }
        let mut report = Report::in_style(&processes, self.output.site_style());
        suppressions.apply(&mut report);
        if let Some(path) = &self.output.json {
            output::write_json(path, &report)?;
        }
        if !self.output.quiet && !self.output.json_is_stdout() {
            let mut text = output::text(&report);
            if report.processes.is_empty() {
                text += "No process reported an event.\n";
            }
            if self.output.json.is_none() {
                let files = self.files.iter().map(|path| path.to_string_lossy());
                text += &format!("Next: ttmem report --json report.json {}\n", output::shell_words(files));
            }
            output::print(&text)?;
        }
        Ok(ExitCode::from(self.output.exit_code(&report, 0)))
    }
}
