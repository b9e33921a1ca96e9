//! `ttmem doctor`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use ttmem_caller::Library;

use super::output;
use crate::{
    Failure,
    doctor::{Findings, transport},
    visible::visible_json,
};

/// Check what keeps ttmem from working here, and print what to do about it.
///
/// A line for each check. The exit code is 1 if something is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem doctor
  ttmem doctor --transport                    measures what an event costs here
  ttmem doctor --python venv/bin/python       looks at that environment's ttnn
  ttmem doctor build/lib/libtt_metal.so       looks at a build of your own
  ttmem doctor --json | jq '.checks[] | select(.verdict == \"wrong\")'")]
pub(super) struct Doctor {
    /// Measure the way of an event on this machine; takes some seconds.
    #[arg(long)]
    transport: bool,
    /// How long the long run of --transport is.
    #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The Python whose ttnn is looked at.
    #[arg(long, default_value = "python3", value_name = "PYTHON")]
    python: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Look at this library alone: a libtt_metal.so, or one that tt-metal is linked into. Prints which parts of it ttmem sees.
    #[arg(value_name = "LIBRARY", conflicts_with_all = ["transport", "python"])]
    metal: Option<PathBuf>,
}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut findings = match &self.metal {
            Some(library) => Findings::of_library(library),
            None => Findings::new(&self.python),
        };
        if self.transport {
            findings.measure(self.seconds);
        }
        if self.json {
            output::print(&(visible_json(serde_json::to_string_pretty(&findings).unwrap_or_default()) + "\n"))?;
        } else {
            output::print(&findings.text())?;
        }
        Ok(ExitCode::from(u8::from(!findings.good)))
    }
}

/// What a child of the doctor does with the library.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Work {
    Version,
    Latency,
    Events,
}

/// Loads the library and reports events, for `ttmem doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorChild {
    work: Work,
    library: PathBuf,
    #[arg(long, default_value_t = 1)]
    seconds: u64,
}

impl DoctorChild {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let library = Library::load(&self.library).map_err(Failure::new)?;
        match self.work {
            Work::Version => output::print(&(library.version() + "\n"))?,
            Work::Latency => transport::report_probes(library),
            Work::Events => output::print(&transport::report_events(library, self.seconds))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
