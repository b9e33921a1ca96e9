//! `ttmem record`.

use std::{ffi::OsString, fs::File, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{judge::Judge, output, run::why_nothing, settings::Settings, tracked};
use crate::{Failure, Keep, Recorder, SiteStyle, analysis::Analysis, launch, report::bytes, visible::visible_path};

/// Run a command and keep every event in a file, for `ttmem report`, `ttmem diff` and scripts.
///
/// The file is written as the command runs: when it, or ttmem, is killed, what came until then can be read. The exit code
/// is the command's own (128+N for signal N).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem record -o run.ttmem -- python model.py
  ttmem report run.ttmem                       is it a leak, and whose?
  ttmem diff before.ttmem after.ttmem          what changed?")]
pub(super) struct Record {
    /// The file to write; it is replaced.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Print nothing but what is wrong.
    #[arg(long)]
    quiet: bool,
    /// Do not wait for processes that outlive the command: the recording ends with it.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    judge: Judge,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
    #[command(flatten)]
    settings: Settings,
}

impl Record {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let path = &self.output;
        let suppressions = self.judge.suppressions()?;
        self.settings.check()?;
        let file = File::create(path).map_err(|error| Failure::with(path, format!("cannot be written: {error}")))?;
        let recorder = Recorder::new(file).map_err(|error| Failure::with(path, error))?;
        let run = tracked::Tracked {
            command: &self.command,
            settings: &self.settings,
            keep: Keep::default(),
            quiet: self.quiet,
            waits: !self.no_wait,
        };
        run.run(Some(recorder), |drainer, ended| {
            let written = drainer.finish_recording();
            let processes = drainer.sessions().len();
            let lost = drainer.sessions().iter().fold(0_u64, |sum, session| sum.saturating_add(session.lost()));
            if !self.quiet {
                let complaints = drainer.complaints().map(|line| format!("ttmem: {line}\n"));
                output::tell(&complaints.collect::<String>());
                if processes == 0 {
                    output::tell(&format!("\nttmem: {}\n", why_nothing()));
                }
            }
            let events = written.map_err(|error| {
                Failure::with(path, format!("{error}: the recording ends there; `ttmem report` reads what it has"))
            });
            if let (Ok(events), false) = (&events, self.quiet) {
                let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
                let lost = if lost == 0 { String::new() } else { format!(", {lost} lost") };
                output::tell(&format!(
                    "ttmem: {events} events of {processes} process{} in {} ({}{lost})\nNext: ttmem report {}\n",
                    if processes == 1 { "" } else { "es" },
                    visible_path(path),
                    bytes(size),
                    output::shell_words([path.to_string_lossy()])
                ));
            }
            let mut code = launch::exit_code(ended);
            if self.judge.is_asked() {
                let analysis = Analysis::new(drainer.sessions(), &suppressions, SiteStyle::default());
                code = self.judge.exit_code(&analysis, code, self.quiet);
            }
            output::after(events.map(drop), code)
        })
    }
}
