//! Where output goes: text to a stream, JSON to a file.

use std::{
    borrow::Cow,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use terminal_size::{Width, terminal_size_of};

use super::judge::Judge;
use crate::{
    Failure, SiteStyle,
    analysis::Analysis,
    export,
    report::{Report, Screen, View, write_text, write_view},
};

/// The options of every command that reports.
#[derive(Debug, Args)]
pub(super) struct ReportOptions {
    /// Write the report as JSON (schema ttmem-report/1) to FILE too; "-" is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Print no report.
    #[arg(long)]
    pub(super) quiet: bool,
    /// List in the JSON what was live at each mark, not only the sums.
    #[arg(long)]
    pub(super) live_at_marks: bool,
    #[command(flatten)]
    style: StackOptions,
    #[command(flatten)]
    pub(super) judge: Judge,
}

/// How call sites are shown.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct StackOptions {
    /// Show all frames of call sites, Python and native.
    #[arg(long)]
    full_stacks: bool,
    /// Show C++ names as the file has them.
    #[arg(long)]
    raw_names: bool,
}

impl StackOptions {
    pub(super) fn style(self) -> SiteStyle {
        SiteStyle { full: self.full_stacks, raw_names: self.raw_names }
    }

    /// A screen as wide as the terminal of standard output.
    pub(super) fn stdout(self) -> Screen {
        Screen::of_width(columns(terminal_size_of(io::stdout())), self.full_stacks)
    }

    /// The same of standard error.
    pub(super) fn stderr(self) -> Screen {
        Screen::of_width(columns(terminal_size_of(io::stderr())), self.full_stacks)
    }
}

/// What the user says, else what the terminal has.
fn columns(terminal: Option<(Width, terminal_size::Height)>) -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&columns| columns > 0);
    asked.or_else(|| terminal.map(|(Width(columns), _)| columns.into()))
}

impl ReportOptions {
    /// How call sites are shown.
    pub(super) fn site_style(&self) -> SiteStyle {
        self.style.style()
    }

    pub(super) fn stacks(&self) -> StackOptions {
        self.style
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

pub(super) fn is_stdout(path: &Path) -> bool {
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
    let mut output = export::Output::create(Some(path))?;
    output.write_all(bytes)?;
    output.keep()
}

/// The report as text, with styles that the stream strips where it has no use for them.
pub(super) fn text(analysis: &Analysis, screen: &Screen) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_text(&mut text, analysis, screen);
    text
}

/// The text of one moment, or of the regions of one name.
pub(super) fn text_of_view(analysis: &Analysis, view: View, screen: &Screen) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_view(&mut text, analysis, view, screen);
    text.truncate(text.trim_end().len());
    text + "\n"
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
