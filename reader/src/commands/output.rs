//! Where output goes: text to a stream, JSON to a file.

use std::{
    borrow::Cow,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use crate::{
    Failure, SiteStyle, Suppressions,
    report::{Cut, Painter, Report, Verdict, bytes, left_behind, verdict, write_cut, write_text},
    suppressions,
};

/// The options of every command that reports.
#[derive(Debug, Args)]
pub(super) struct ReportOptions {
    /// Write the report as JSON (schema ttmem-report/1) to this file too; "-" is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Print no report.
    #[arg(long)]
    pub(super) quiet: bool,
    /// In the JSON, list what was live at each mark, not only the sums.
    #[arg(long)]
    pub(super) live_at_marks: bool,
    /// Tell call sites with all their frames, those of ttnn and tt-metal too.
    #[arg(long)]
    full_stacks: bool,
    /// Tell C++ names as the file has them.
    #[arg(long)]
    raw_names: bool,
    /// What is known and no leak: rules, one a line (`ttmem explain suppressions`).
    #[arg(long, value_name = "FILE", env = "TTMEM_SUPPRESSIONS")]
    suppressions: Option<PathBuf>,
    /// Exit with 23 if processes that ended left more than BYTES (default 0; 36KiB will do too) behind.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, require_equals = true, default_missing_value = "0",
          value_parser = parse_size)]
    fail_on_leak: Option<u64>,
}

/// The exit code of --fail-on-leak.
pub(super) const LEAKED: u8 = 23;

pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    suppressions::size(text).ok_or_else(|| "write bytes, as 4096 or 36KiB".to_owned())
}

impl ReportOptions {
    /// Reads the suppressions, before anything is run.
    pub(super) fn read_suppressions(&self) -> Result<Suppressions, Failure> {
        Suppressions::read_if_named(self.suppressions.as_deref())
    }

    /// The exit code: the command's `code`, or that of a leak where the command itself succeeded. Says why.
    pub(super) fn exit_code(&self, report: &Report, code: u8) -> u8 {
        let Some(allowed) = self.fail_on_leak.filter(|_| code == 0) else { return code };
        let left = left_behind(report);
        let is_unknown = report.processes.iter().any(|process| matches!(verdict(process), Verdict::Inconclusive(_)));
        let line = match (left > allowed, is_unknown) {
            (true, _) => {
                format!("ttmem: {} left behind, {} allowed: exit code {LEAKED}\n", bytes(left), bytes(allowed))
            }
            (false, true) => "ttmem: --fail-on-leak cannot tell: a verdict is inconclusive; exit code 0\n".to_owned(),
            (false, false) => String::new(),
        };
        if !self.quiet {
            tell(&line);
        }
        if left > allowed { LEAKED } else { code }
    }

    /// How call sites are told.
    pub(super) fn site_style(&self) -> SiteStyle {
        SiteStyle { full: self.full_stacks, raw_names: self.raw_names }
    }

    /// Whether the JSON has standard output to itself.
    pub(super) fn json_is_stdout(&self) -> bool {
        self.json.as_deref().is_some_and(is_stdout)
    }
}

/// Writes to standard output. Somebody who has read enough (`| head`) is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes to standard error. If that is gone, nobody can be told.
pub(super) fn tell(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Words as a shell takes them.
pub(super) fn shell_words<'a>(words: impl IntoIterator<Item = Cow<'a, str>>) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-+=./,:@%".contains(c);
    let quoted = words.into_iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The exit code when the last thing was to write a file. What the command said by its own is worth more than a failure to
/// write, which is told all the same.
pub(super) fn after(written: Result<(), Failure>, code: u8) -> Result<ExitCode, Failure> {
    match written {
        Err(failure) if code != 0 => {
            tell(&format!("ttmem: {failure}\n"));
            Ok(ExitCode::from(code))
        }
        written => written.map(|()| ExitCode::from(code)),
    }
}

/// Checks, before anything is run, that the file can be written; leaves nothing where nothing was. A pipe or a device is
/// not opened: that may wait, or end what its reader sees.
pub(super) fn check_writable(path: &Path) -> Result<(), Failure> {
    if is_stdout(path) {
        return Ok(());
    }
    let is_new = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(Failure::with(path, "it is a folder; name a file")),
        Ok(metadata) if !metadata.is_file() => return Ok(()),
        Ok(_) => false,
        Err(_) => true,
    };
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| Failure::with(path, format!("cannot be written: {error}")))?;
    if is_new {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

/// Writes the JSON: whole, or the old file stays. What is no plain file (a pipe, /dev/stdout) is written to directly.
pub(super) fn write_json(path: &Path, report: &Report) -> Result<(), Failure> {
    write_text_file(path, &report.to_json())
}

/// The same for any text.
pub(super) fn write_text_file(path: &Path, text: &str) -> Result<(), Failure> {
    if is_stdout(path) {
        return print(text);
    }
    write_file(path, text.as_bytes()).map_err(|error| Failure::with(path, error))
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return fs::OpenOptions::new().write(true).create(true).truncate(true).open(path)?.write_all(bytes);
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// What is told of one mark or region, the same way.
pub(super) fn text_of_cut(report: &Report, cut: &Cut) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_cut(&mut text, report, cut, Painter::coloured());
    text
}

/// The report as text, with styles that the stream strips where it has no use for them.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_text(&mut text, report, Painter::coloured());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let words = ["python", "a b.py", "it's", "", "--x=1"].map(Cow::Borrowed);
        assert_eq!(shell_words(words), r"python 'a b.py' 'it'\''s' '' --x=1");
    }
}
