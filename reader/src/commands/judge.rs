//! What fails a command: `--fail-on-leak` and `--fail-on-leftover`, with the suppressions that they judge by.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;

use super::output::tell;
use crate::{
    Failure, Suppressions,
    analysis::{Analysis, Answer, size_of},
    report::{bytes, count, noun, what_is_missing},
};

/// The exit code of a failed judgement.
pub(super) const FAILED: u8 = 23;

/// The options of every command that judges.
#[derive(Debug, Args)]
pub(super) struct Judge {
    /// Read what is known and no leak from FILE: rules, one a line (`ttmem explain suppressions`).
    #[arg(long, value_name = "FILE", env = "TTMEM_SUPPRESSIONS")]
    suppressions: Option<PathBuf>,
    /// Exit with 23 if the verdict on any process is leak: something grows, and is never given back.
    #[arg(long)]
    fail_on_leak: bool,
    /// Exit with 23 if processes left more than BYTES (default 0; 36KiB will do too) that their owners never freed: live at exit, or
    /// released by a device's close.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, require_equals = true, default_missing_value = "0",
          value_parser = parse_size)]
    fail_on_leftover: Option<u64>,
}

/// The options whose size stands behind a `=`, since it may be left out.
const SIZED: [&str; 3] = ["--fail-on-leftover", "--fail-on-growth", "--fragmentation"];

/// Refuses in our own part of the command line `--fail-on-leak=BYTES`, since any leak fails, and a size behind a blank, which
/// would be a file or a command.
pub(super) fn check(arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let ours = arguments.take_while(|argument| argument != "--").filter_map(|argument| argument.into_string().ok());
    let ours: Vec<String> = ours.collect();
    if let Some(value) = ours.iter().find_map(|argument| argument.strip_prefix("--fail-on-leak=")) {
        return Err(Failure::new(format!(
            "--fail-on-leak={value}: takes no value, since any leak fails; use --fail-on-leftover={value} for bytes that were left"
        )));
    }
    let is_stray = |pair: &&[String]| SIZED.contains(&&*pair[0]) && size_of(&pair[1]).is_some();
    match ours.windows(2).find(is_stray) {
        Some([option, size]) => {
            Err(Failure::new(format!("{option} {size}: the size belongs behind a `=`; write {option}={size}")))
        }
        _ => Ok(()),
    }
}

/// Bytes, with or without a unit.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    size_of(text).ok_or_else(|| "write bytes, as 4096 or 36KiB".to_owned())
}

impl Judge {
    /// Checks the options and reads the suppressions, before anything is run.
    ///
    /// # Errors
    /// If an option makes no sense, or the file cannot be read.
    pub(super) fn suppressions(&self) -> Result<Suppressions, Failure> {
        Suppressions::read_if_named(self.suppressions.as_deref())
    }

    /// Whether anything is judged.
    pub(super) fn is_asked(&self) -> bool {
        self.fail_on_leak || self.fail_on_leftover.is_some()
    }

    /// The exit code: the command's `code`, or 23 where the command itself succeeded and the judgement fails. Prints why, unless
    /// `quiet`; an answer that is inconclusive never passes in silence.
    pub(super) fn exit_code(&self, analysis: &Analysis, code: u8, quiet: bool) -> u8 {
        if code != 0 || !self.is_asked() {
            return code;
        }
        let mut lines = Vec::new();
        if self.fail_on_leak && analysis.has(Answer::Leak) {
            let pids: Vec<String> = analysis
                .processes
                .iter()
                .filter(|process| process.verdict.answer == Answer::Leak)
                .map(|process| process.pid.to_string())
                .collect();
            lines.push(format!("leak in pid {}: exit code {FAILED}", pids.join(", ")));
        }
        let left = analysis.leftover_bytes();
        if let Some(allowed) = self.fail_on_leftover.filter(|&allowed| left > allowed) {
            lines.push(format!("{} left by owners, {} allowed: exit code {FAILED}", bytes(left), bytes(allowed)));
        }
        let fails = !lines.is_empty();
        if !fails && let Some(why) = self.not_judged(analysis) {
            tell(&format!("ttmem: {why}; exit code {code}\n"));
        }
        if !quiet {
            tell(&lines.iter().map(|line| format!("ttmem: {line}\n")).collect::<String>());
        }
        if fails { FAILED } else { code }
    }

    /// Why a process could not be judged: the options, and what is missing of the first; `None` if all could.
    fn not_judged(&self, analysis: &Analysis) -> Option<String> {
        let options = [(self.fail_on_leak, "--fail-on-leak"), (self.fail_on_leftover.is_some(), "--fail-on-leftover")];
        let asked: Vec<&str> = options.iter().filter(|option| option.0).map(|option| option.1).collect();
        let mut missing = analysis.processes.iter().filter_map(|process| Some((process.pid, process.verdict.missing?)));
        let (pid, first) = missing.next()?;
        let others = match missing.count() as u64 {
            0 => String::new(),
            more => format!(", and {} more {}", count(more), noun(more, "process", "processes")),
        };
        Some(format!("{}: inconclusive: pid {pid}, {}{others}", asked.join(" and "), what_is_missing(first)))
    }
}
