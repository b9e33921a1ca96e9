//! Where a report goes: text to a stream, JSON to a file.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    Failure,
    report::{Painter, Report, write_text},
};

/// The options of every command that reports.
#[derive(Debug, Args)]
pub(super) struct ReportOptions {
    /// Write the report as JSON (schema ttmem-report/1) to this file too.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Print no report.
    #[arg(long)]
    pub(super) quiet: bool,
    /// In the JSON, list what was live at each mark, not only the sums.
    #[arg(long)]
    pub(super) live_at_marks: bool,
}

/// Checks, before anything is run, that the file can be written.
pub(super) fn check_writable(path: &Path) -> Result<(), Failure> {
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map(drop)
        .map_err(|error| Failure::with(path, format!("cannot be written: {error}")))
}

/// Writes the JSON: whole, or the old file stays. What is no plain file (a pipe, /dev/stdout) is written to directly.
pub(super) fn write_json(path: &Path, report: &Report) -> Result<(), Failure> {
    write_file(path, report.to_json().as_bytes()).map_err(|error| Failure::with(path, error))
}

fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return fs::OpenOptions::new().write(true).create(true).truncate(true).open(path)?.write_all(bytes);
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// The report as text, with styles that the stream strips where it has no use for them.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_text(&mut text, report, Painter::coloured());
    text
}
