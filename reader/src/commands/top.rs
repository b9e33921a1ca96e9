//! `ttmem top`.

use std::process::ExitCode;

use clap::Args;

use super::{output, rings, settings::Place};
use crate::{
    Failure, Lookout, ProcessName,
    top::{self, Style, Watcher},
    visible::visible_json,
};

/// Show device memory live: devices, processes, history, the largest kinds of allocations.
///
/// Takes nothing out of the rings. Keys: ? help, q quit, Enter open a row, Esc close it, / filter, space freeze, s sort, m memory.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem top
  ttmem top --once
  ttmem top --json | jq '.processes[] | {pid, live_bytes}'")]
pub(super) struct Top {
    /// Print what is live now as text, and end.
    #[arg(long)]
    once: bool,
    /// Print what is live now as JSON (schema ttmem-top/1), and end.
    #[arg(long, conflicts_with = "once")]
    json: bool,
    /// Show one process alone, by its id or words of its command line, as model.py.
    #[arg(long, value_name = "PID|NAME", visible_alias = "process")]
    pid: Option<ProcessName>,
    #[command(flatten)]
    place: Place,
}

impl Top {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut watcher = Watcher::new(Lookout::new(move || rings::folders(&self.place)));
        let mut view = watcher.look();
        let pid = self.pid.map(|name| watcher.pid(&name)).transpose()?;
        if self.once || self.json {
            if let Some(pid) = pid {
                view = view.only(|process| process.pid == pid);
            }
            output::tell(&watcher.complaints().iter().map(|line| format!("ttmem: {line}\n")).collect::<String>());
            let json = || visible_json(serde_json::to_string_pretty(&view).unwrap_or_default()) + "\n";
            output::print(&if self.json { json() } else { top::text(&view) })?;
        } else if top::has_terminal() {
            top::run(watcher, Style::of_environment(), pid)?;
        } else {
            return Err(Failure::new("top: this is no terminal; use --once or --json"));
        }
        Ok(ExitCode::SUCCESS)
    }
}
