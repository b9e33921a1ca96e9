//! `ttmem follow`.

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use clap::Args;

use super::{rings, settings::Place};
use crate::{Failure, Follower, Suppressions, Target};

/// Wait between rounds while events come.
const SHORT_WAIT: Duration = Duration::from_millis(1);
/// Wait between rounds while none come.
const LONG_WAIT: Duration = Duration::from_millis(10);

/// Follow a running process and answer questions about it: JSON, a line each, on standard input and output.
///
/// For tools: a test runner reads exact numbers while the process runs. The command drains the ring of the process, so no other
/// reader can. docs/follow.md describes the protocol.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  echo '{\"ask\":\"now\"}' | ttmem follow --pid 4242
  echo '{\"ask\":\"region\",\"name\":\"decode\"}' | ttmem follow /dev/shm/ttmem-0/4242-*.ring")]
pub(super) struct Follow {
    /// Follow the process with this id; it may make its ring later.
    #[arg(
        long,
        value_name = "PID",
        visible_alias = "process",
        conflicts_with = "ring",
        required_unless_present = "ring"
    )]
    pid: Option<u32>,
    /// Drain on after the last question until the process has ended, then remove its ring.
    #[arg(long)]
    until_exit: bool,
    /// Read what is known and no leak from FILE: rules, one a line (`ttmem explain suppressions`).
    #[arg(long, value_name = "FILE", env = "TTMEM_SUPPRESSIONS")]
    suppressions: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// A ring file.
    #[arg(value_name = "RING")]
    ring: Option<PathBuf>,
}

impl Follow {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let target = match (self.pid, self.ring) {
            (_, Some(ring)) => Target::Ring(ring),
            (Some(pid), None) => Target::Process { pid, folders: rings::folders(&self.place) },
            (None, None) => return Err(Failure::new("follow: --pid PID or RING")),
        };
        let is_ring = matches!(target, Target::Ring(_));
        let suppressions = Suppressions::read_if_named(self.suppressions.as_deref())?;
        let mut follower = Follower::new(target, suppressions);
        follower.advance();
        if let Some(why) = follower.refusal().filter(|_| is_ring) {
            return Err(why.clone());
        }
        write_line(&follower.greeting())?;
        let lines = questions();
        let mut wait = SHORT_WAIT;
        loop {
            match lines.recv_timeout(wait) {
                Ok(line) => {
                    write_line(&follower.answer(&line))?;
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if self.until_exit && !follower.is_over() => {
                    std::thread::sleep(wait);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    follower.finish();
                    return Ok(ExitCode::SUCCESS);
                }
            }
            wait = if follower.advance() > 0 { SHORT_WAIT } else { (wait * 2).min(LONG_WAIT) };
        }
    }
}

/// The lines of standard input as they come.
fn questions() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if !line.trim().is_empty() && sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Writes one line at once. Where the reader of the pipe is gone, no answer is needed.
fn write_line(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
