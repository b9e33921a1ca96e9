//! `ttmem run`.

use std::{env, ffi::OsString, process::ExitCode};

use clap::Args;

use super::{
    next,
    output::{self, ReportOptions},
    settings::Settings,
    tracked,
};
use crate::{
    Failure, Keep,
    analysis::Analysis,
    launch,
    report::Report,
    variables::{VARIABLES, Variable},
};

/// Run a command and report where device memory went in it and all its descendants.
///
/// The library is preloaded; nothing is rebuilt. The report goes to standard error, since standard output is the
/// command's. The exit code is the command's own (128+N for signal N).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem run -- python model.py
  ttmem run --json report.json --quiet -- ./build/test_eltwise
  ttmem run --fail-on-leak -- python serve.py --test  (exit code 23 if it grows)
  ttmem run --fail-on-leftover=36KiB -- ./build/test  (23 if more was left)")]
pub(super) struct Run {
    #[command(flatten)]
    output: ReportOptions,
    /// Keep the ring files, and print where they are: `ttmem report` reads them.
    #[arg(long)]
    keep_rings: bool,
    /// Do not wait for processes that outlive the command: report what they have so far.
    #[arg(long)]
    no_wait: bool,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    settings: Settings,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.output.json {
            output::check_writable(path)?;
        }
        let suppressions = self.output.judge.suppressions()?;
        let keep = Keep { live_at_marks: self.output.live_at_marks, rings: self.keep_rings };
        let quiet = self.output.quiet;
        let run =
            tracked::Tracked { command: &self.command, settings: &self.settings, keep, quiet, waits: !self.no_wait };
        run.run(None, |drainer, ended| {
            let style = self.output.site_style();
            let analysis = Analysis::new(drainer.sessions(), &suppressions, style);
            if !quiet {
                let complaints = drainer.complaints().map(|line| format!("ttmem: {line}\n"));
                output::tell(&complaints.collect::<String>());
                self.print(&analysis);
            }
            let written = self
                .output
                .json
                .as_deref()
                .map_or(Ok(()), |path| output::write_json(path, &Report::new(&analysis, style, None)));
            output::after(written, self.output.judge.exit_code(&analysis, launch::exit_code(ended), quiet))
        })
    }

    fn print(&self, analysis: &Analysis) {
        if analysis.processes.is_empty() {
            output::tell(&format!("\nttmem: {}\n", why_nothing()));
            return;
        }
        let command = output::shell_words(self.command.iter().map(|word| word.to_string_lossy()));
        let mut text = output::text(analysis, &self.output.stacks().stderr());
        if let Some(next) = next::after_run(analysis, &command, &self.settings, self.output.json.is_some()) {
            text += &format!("{next}\n");
        }
        output::tell(&format!("\n{text}"));
    }
}

pub(super) fn why_nothing() -> &'static str {
    let turns_off = |variable: &Variable| {
        let value = env::var_os(variable.name).filter(|value| !value.is_empty());
        value.and_then(|value| variable.effect(&value)).is_some_and(|effect| effect.turns_off)
    };
    if VARIABLES.iter().any(turns_off) {
        return "tracking is off: TTMEM_DISABLE or TT_ALLOC_TRACKING_ENABLED=0 is set.";
    }
    "no process reported an event: no device memory was used, or the program is statically linked, setuid, or a build of \
     tt-metal that ttmem does not know."
}
