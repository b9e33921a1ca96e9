//! `ttmem ls`.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use ttmem_ring::RingReader;

use super::{FAILED, output, rings};
use crate::{
    Failure, Session,
    report::{bytes, shorten},
    visible::{visible, visible_json, visible_path},
};

/// What is left of 80 columns.
const COMMAND_WIDTH: usize = 35;

/// List the rings on this machine: running and dead processes, and their live bytes.
#[derive(Debug, Args)]
pub(super) struct Ls {
    /// Print JSON: a list of objects.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    pid: u32,
    alive: bool,
    events: u64,
    /// Its live bytes; 0 if it is dead.
    live_bytes: u64,
    /// Its live bytes when it ended, if it is dead.
    orphaned_bytes: u64,
    /// Whether every event is in the sum: a reader may have taken some, and some may be lost.
    complete: bool,
    command: String,
    ring: String,
}

impl Ls {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (mut rows, mut bad) = (Vec::new(), 0);
        for path in rings::in_folders(&rings::folders()?)? {
            match RingReader::open(&path).map_err(|error| error.to_string()).and_then(row) {
                Ok(row) => rows.push(row),
                // A ring that was removed between the look and the open is no news.
                Err(_) if !path.exists() => {}
                Err(why) => {
                    output::tell(&format!("ttmem: {}\n", Failure::with(&path, why)));
                    bad += 1;
                }
            }
        }
        if self.json {
            output::print(&(visible_json(serde_json::to_string_pretty(&rows).unwrap_or_default()) + "\n"))?;
        } else if rows.is_empty() && bad == 0 {
            output::tell(&format!("ttmem: no rings in {}\n", visible_path(&ttmem_ring::default_dir())));
        } else if !rows.is_empty() {
            output::print(&table(&rows))?;
        }
        Ok(if rows.is_empty() && bad > 0 { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
    }
}

fn row(ring: RingReader) -> Result<Row, String> {
    let alive = ring.is_alive();
    let mut session = Session::looking(ring, false);
    session.advance();
    if let Some(trouble) = session.trouble().filter(|_| session.is_truncated()) {
        return Err(trouble.to_owned());
    }
    let totals = session.ledger().totals();
    let held = totals.iter().fold(0_u64, |sum, (_, _, totals)| sum.saturating_add(totals.live_bytes));
    Ok(Row {
        pid: session.header().pid,
        alive,
        events: session.reported(),
        live_bytes: if alive { held } else { 0 },
        orphaned_bytes: if alive { 0 } else { held },
        complete: session.taken_elsewhere() == 0 && session.lost() == 0,
        command: session.header().command.join(" "),
        ring: session.path().display().to_string(),
    })
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("{:>8}  {:<5}  {:>12}  {:>12}  COMMAND\n", "PID", "STATE", "EVENTS", "LIVE");
    for row in rows {
        let held = if row.alive { bytes(row.live_bytes) } else { format!("({})", bytes(row.orphaned_bytes)) };
        let live = format!("{}{held}", if row.complete { "" } else { "~" });
        let state = if row.alive { "alive" } else { "dead" };
        let command = shorten(&row.command, COMMAND_WIDTH);
        text += &format!("{:>8}  {state:<5}  {:>12}  {live:>12}  {command}\n", row.pid, row.events);
        text += &format!("{:>8}  {}\n", "", visible(&row.ring));
    }
    if rows.iter().any(|row| !row.alive) {
        text += "( ) live when a dead process ended; `ttmem clean` removes its ring\n";
    }
    if rows.iter().any(|row| !row.complete) {
        text += "~ not all events are in this sum: another reader takes them, or some were lost\n";
    }
    text
}
