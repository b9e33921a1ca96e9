//! `ttmem report`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use ttmem_ring::RingReader;

use super::output::{self, ReportOptions};
use crate::{Failure, Session, report::Report};

/// Reports from ring files, of living and dead processes.
///
/// Takes nothing out of the rings: a second call tells the same.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem report /dev/shm/ttmem-0/4242-*.ring
  ttmem report --json - RING | jq .processes[0].live")]
pub(super) struct ReportFiles {
    #[command(flatten)]
    output: ReportOptions,
    /// The ring files.
    #[arg(required = true, value_name = "RING")]
    rings: Vec<PathBuf>,
}

impl ReportFiles {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut sessions = Vec::new();
        for path in &self.rings {
            let ring = RingReader::open(path).map_err(|error| Failure::with(path, error))?;
            let mut session = Session::looking(ring, self.output.live_at_marks);
            session.advance();
            session.settle(None);
            sessions.push(session);
        }
        let report = Report::new(&sessions);
        if let Some(path) = &self.output.json {
            output::write_json(path, &report)?;
        }
        if !self.output.quiet && !self.output.json_is_stdout() {
            let mut text = output::text(&report);
            if self.output.json.is_none() {
                let rings = self.rings.iter().map(|path| path.to_string_lossy());
                text += &format!("Next: ttmem report --json report.json {}\n", output::shell_words(rings));
            }
            output::print(&text)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
