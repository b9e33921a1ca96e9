//! `ttmem follow`.

use std::{
    io::{self, BufRead, Write},
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    time::Duration,
};

use clap::Args;

use super::rings;
use crate::{Failure, Follower, Target};

/// Between rounds while events come.
const SHORT_NAP: Duration = Duration::from_millis(1);
/// Between rounds while none come.
const LONG_NAP: Duration = Duration::from_millis(10);

/// Follows a running process and answers questions about it: JSON, a line each, on standard input and output.
///
/// For tools: a test runner gets exact numbers while the process runs. It drains the process's ring, so nobody else can.
/// The protocol is in docs/follow.md.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  echo '{\"ask\":\"now\"}' | ttmem follow --pid 4242
  echo '{\"ask\":\"region\",\"name\":\"decode\"}' | ttmem follow /dev/shm/ttmem-0/4242-*.ring")]
pub(super) struct Follow {
    /// Follow the process with this id; it may make its ring later.
    #[arg(long, conflicts_with = "ring", required_unless_present = "ring")]
    pid: Option<u32>,
    /// When there are no more questions, go on draining until the process has ended, and remove its ring then.
    #[arg(long)]
    until_exit: bool,
    /// A ring file.
    #[arg(value_name = "RING")]
    ring: Option<PathBuf>,
}

impl Follow {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let target = match (self.pid, self.ring) {
            (_, Some(ring)) => Target::Ring(ring),
            (Some(pid), None) => Target::Process { pid, folders: rings::folders()? },
            (None, None) => return Err(Failure::new("follow: --pid PID or RING")),
        };
        let is_ring = matches!(target, Target::Ring(_));
        let mut follower = Follower::new(target);
        follower.advance();
        if let Some(why) = follower.refusal().filter(|_| is_ring) {
            return Err(Failure::new(why));
        }
        say(&follower.greeting())?;
        let lines = questions();
        let mut nap = SHORT_NAP;
        loop {
            match lines.recv_timeout(nap) {
                Ok(line) => {
                    say(&follower.answer(&line))?;
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if self.until_exit && !follower.is_over() => {
                    std::thread::sleep(nap)
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::SUCCESS),
            }
            nap = if follower.advance() > 0 { SHORT_NAP } else { (nap * 2).min(LONG_NAP) };
        }
    }
}

/// The lines of standard input, as they come.
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

/// One line, at once. An asker that is gone needs no answer.
fn say(line: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
