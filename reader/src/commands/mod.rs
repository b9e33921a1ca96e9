//! The commands. Each is a file; this one reads the command line and turns a [`Failure`] into one line and exit code 2.

mod attach;
mod clean;
mod diff;
mod doctor;
mod explain;
mod export;
mod follow;
mod generate;
mod input;
mod judge;
mod ls;
mod mcp;
mod next;
mod output;
mod record;
mod report;
mod rings;
mod run;
mod serve;
mod settings;
mod top;
mod tracked;
mod whatif;

use std::{env, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::Failure;

/// The exit code of a command that could not do its work.
const FAILED: u8 = 2;

/// Show where the memory of Tenstorrent devices goes, in programs that nobody rebuilt.
#[derive(Debug, Parser)]
#[command(
    name = "ttmem",
    version = env!("TTMEM_VERSION"),
    arg_required_else_help = true,
    after_help = "Examples:
  ttmem run -- python model.py               find leaks, and the line of code
  ttmem run --json out.json -- pytest -x     the same, for a script
  ttmem record -o run.ttmem -- python m.py   keep every event, for later
  ttmem attach 4242                          track a process that runs
  ttmem diff before.ttmem after.ttmem        compare two runs
  ttmem whatif run.ttmem --policy best-fit   place allocations in another way
  ttmem explain held-by-fewer                explain a sentence of a report
  ttmem export run.ttmem -f perfetto -o t    for ui.perfetto.dev, and others
  ttmem ls                                   list processes and their live bytes
  ttmem top                                  the same, live
  ttmem serve                                for Prometheus
  ttmem report /dev/shm/ttmem-0/4242-*.ring  report on a dead process
  ttmem follow --pid 4242                    answer a tool's questions
  ttmem mcp                                  answer an agent's questions
  ttmem clean                                remove what dead processes left
  ttmem doctor                               check this machine

Environment (`run` and `record` have a flag for most: --dir, --ring-bytes, --on-full, --stacks,
--clock, --log, --library, --suppressions; a flag overrides its variable):
  TTMEM_DIR         folder of the rings (else $XDG_RUNTIME_DIR/ttmem, else
                    /dev/shm/ttmem-<uid>)
  TTMEM_DISABLE     any value but 0: the library does nothing
  TT_ALLOC_TRACKING_ENABLED=0
                    the same
  TTMEM_RING_BYTES  size of a ring, 4096 to 1 GiB (4194304)
  TTMEM_ON_FULL     wait (default): let the program wait while its events are
                    drained; after 100 ms without any, lose events, counted
                    drop: lose the newest event, counted
                    block:<ms>: let the program wait, at most so long
  TTMEM_STACKS      call sites: on (default), python, native, off
  TTMEM_FOLD=0      a full ring that nobody drains: lose events, counted,
                    rather than write checkpoints
  TTMEM_CLOCK       auto (default): the processor's counter, if it is good;
                    monotonic: clock_gettime
  TTMEM_LOG=off     not even one line on standard error
  TTMEM_SUPPRESSIONS
                    the suppression file, where --suppressions names none
  TTMEM_LIBRARY     the library, where it is not beside the command
  NO_COLOR          no colours

Exit codes:
  0    done
  1    doctor found something wrong
  2    a wrong command line, input or environment; one line says which
  23   --fail-on-leak: it leaks; --fail-on-leftover: more was left than
       allowed; --fail-on-growth: B has more than allowed
  126, 127  run, record: the command cannot be run, or is not there
  `run` and `record` pass on what their command gave (128+N for signal N)."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Record(record::Record),
    Attach(attach::Attach),
    Report(report::ReportFiles),
    Diff(diff::DiffFiles),
    Whatif(whatif::WhatIfFile),
    Explain(explain::Explain),
    Export(export::Export),
    Follow(follow::Follow),
    Mcp(mcp::Mcp),
    Ls(ls::Ls),
    Top(top::Top),
    Serve(serve::Serve),
    Clean(clean::Clean),
    Doctor(doctor::Doctor),
    #[command(hide = true)]
    Generate(generate::Generate),
    #[command(hide = true)]
    DoctorChild(doctor::DoctorChild),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let result = judge::check(env::args_os()).and_then(|()| run(Arguments::parse().command));
    result.unwrap_or_else(|failure: Failure| {
        output::tell(&format!("ttmem: {failure}\n"));
        ExitCode::from(FAILED)
    })
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(run) => run.run(),
        Command::Record(record) => record.run(),
        Command::Attach(attach) => attach.run(),
        Command::Report(report) => report.run(),
        Command::Diff(diff) => diff.run(),
        Command::Whatif(whatif) => whatif.run(),
        Command::Explain(explain) => explain.run(),
        Command::Export(export) => export.run(),
        Command::Follow(follow) => follow.run(),
        Command::Mcp(mcp) => mcp.run(),
        Command::Ls(ls) => ls.run(),
        Command::Top(top) => top.run(),
        Command::Serve(serve) => serve.run(),
        Command::Clean(clean) => clean.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Generate(generate) => generate.run(),
        Command::DoctorChild(child) => child.run(),
    }
}
