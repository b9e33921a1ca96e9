//! `ttmem run`.

use std::{env, ffi::OsString, process::ExitCode};

use clap::Args;

use super::{
    output::{self, ReportOptions},
    tracked,
};
use crate::{Failure, Keep, launch, report::Report};

/// What to try when events were lost: a ring for a million.
const LARGE_RING: u64 = 64 << 20;

/// Runs a command and reports where device memory went in it and all its descendants.
///
/// The library is preloaded; nothing is rebuilt. The report goes to standard error, since standard output is the
/// command's. The exit code is the command's own (128+N for signal N).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem run -- python model.py
  ttmem run --json report.json --quiet -- ./build/test_eltwise
  ttmem run --fail-on-leak=1024 -- pytest tests/      (exit code 23 if more leaks)")]
pub(super) struct Run {
    #[command(flatten)]
    output: ReportOptions,
    /// Keep the ring files, and say where they are: `ttmem report` tells the same of them.
    #[arg(long)]
    keep_rings: bool,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.output.json {
            output::check_writable(path)?;
        }
        let suppressions = self.output.read_suppressions()?;
        let keep = Keep { live_at_marks: self.output.live_at_marks, rings: self.keep_rings };
        let run = tracked::Tracked { command: &self.command, keep, quiet: self.output.quiet };
        run.run(None, |drainer, ended| {
            let mut report = Report::in_style(drainer.sessions(), self.output.site_style());
            suppressions.apply(&mut report);
            if !self.output.quiet {
                let complaints = drainer.complaints().map(|line| format!("ttmem: {line}\n"));
                output::tell(&complaints.collect::<String>());
                self.print(&report);
            }
            let written = self.output.json.as_deref().map_or(Ok(()), |path| output::write_json(path, &report));
            output::after(written, self.output.exit_code(&report, launch::exit_code(ended)))
        })
    }

    fn print(&self, report: &Report) {
        if report.processes.is_empty() {
            output::tell(&format!("\nttmem: {}\n", why_nothing()));
            return;
        }
        let command = || output::shell_words(self.command.iter().map(|word| word.to_string_lossy()));
        let next = match &self.output.json {
            _ if report.processes.iter().any(|process| process.events.lost > 0) => {
                format!("Next: TTMEM_RING_BYTES={LARGE_RING} ttmem run -- {}", command())
            }
            None => format!("Next: ttmem run --json report.json -- {}", command()),
            Some(path) => format!("All of it is in {}.", path.display()),
        };
        output::tell(&format!("\n{}{next}\n", output::text(report)));
    }
}

pub(super) fn why_nothing() -> &'static str {
    let value = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    // As the library understands them.
    let is_off = value("TT_ALLOC_TRACKING_ENABLED").is_some_and(|value| value == "0")
        || value("TTMEM_DISABLE").is_some_and(|value| !["0", "false", "off", "no"].iter().any(|no| value == *no));
    if is_off {
        return "tracking is off: TTMEM_DISABLE or TT_ALLOC_TRACKING_ENABLED=0 is set.";
    }
    "no process reported an event: no device memory was used, or the program is statically linked, setuid, or a build of \
     tt-metal that ttmem does not know."
}
