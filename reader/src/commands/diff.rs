//! `ttmem diff`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;

use super::{
    input::{self, Kind},
    output,
};
use crate::{
    Failure, SiteStyle, Suppressions,
    diff::{Diff, Runs, Snapshot, diff, write_diff},
    report::{Painter, Report, bytes},
};

/// Compares two moments: what appeared, went, grew and shrank, by call site, memory, size and device.
///
/// Two files are compared by what was left at their ends: live when the processes ended, or released only when devices were
/// closed. With --from and --to, two marks of one file are compared, or a mark of each. A mark that comes often is the
/// first of its name for --from and the last for --to; NAME:3 is the third.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem diff before.ttmem after.ttmem
  ttmem diff yesterday.json today.json
  ttmem diff --from 'epoch 1' --to 'epoch 9' run.ttmem
  ttmem diff --region decode before.ttmem after.ttmem
  ttmem diff --region decode run.ttmem             (its first run and its last)
  ttmem diff --from step:2 --to step:9 --fail-on-growth run.ttmem")]
pub(super) struct DiffFiles {
    /// Compare at this mark of A.
    #[arg(long, value_name = "MARK")]
    from: Option<String>,
    /// Compare at this mark of B, or of A where there is no B.
    #[arg(long, value_name = "MARK")]
    to: Option<String>,
    /// Compare what this region of the program left behind in A with what it did in B; NAME:3 is the third of that name.
    /// Without B, what its first run in A left with what its last did.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "to"])]
    region: Option<String>,
    /// Write the difference as JSON (schema ttmem-diff/1) to this file too; "-" is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print nothing.
    #[arg(long)]
    quiet: bool,
    /// Tell call sites with all their frames, those of ttnn and tt-metal too. (Reports in JSON tell what they have.)
    #[arg(long)]
    full_stacks: bool,
    /// Tell C++ names as the file has them.
    #[arg(long)]
    raw_names: bool,
    /// Leave out what these rules cover (`ttmem explain suppressions`).
    #[arg(long, value_name = "FILE", env = "TTMEM_SUPPRESSIONS")]
    suppressions: Option<PathBuf>,
    /// Exit with 23 if B holds more than BYTES (default 0; 36KiB will do too) more than A.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, require_equals = true, default_missing_value = "0",
          value_parser = output::parse_size)]
    fail_on_growth: Option<u64>,
    /// A recording, a report in JSON, or a ring.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another; may be left out with --region, and where --from and --to name marks of A.
    #[arg(value_name = "B")]
    b: Option<PathBuf>,
}

impl DiffFiles {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.json {
            output::check_writable(path)?;
        }
        let suppressions = Suppressions::read_if_named(self.suppressions.as_deref())?;
        if self.b.is_none() && self.region.is_none() && (self.from.is_none() || self.to.is_none()) {
            let why = "diff of one file needs --from MARK and --to MARK, or --region NAME; else name two files";
            return Err(Failure::new(why));
        }
        let a = self.side(&self.a, self.from.as_deref(), false, &suppressions)?;
        let b = self.side(self.b.as_ref().unwrap_or(&self.a), self.to.as_deref(), true, &suppressions)?;
        let difference = diff(&a, &b);
        if let Some(path) = &self.json {
            let json = serde_json::to_string_pretty(&difference).unwrap_or_default() + "\n";
            output::write_text_file(path, &json)?;
        }
        if !self.quiet && self.json.as_deref() != Some(Path::new("-")) {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = write_diff(&mut text, &difference, self.full_stacks, Painter::coloured());
            output::print(&text)?;
        }
        Ok(self.exit_code(&difference))
    }

    fn side(
        &self,
        path: &Path,
        mark: Option<&str>,
        is_last: bool,
        suppressions: &Suppressions,
    ) -> Result<Snapshot, Failure> {
        let mut report = match input::kind(path)? {
            Kind::Json => {
                let text = fs::read_to_string(path).map_err(|error| Failure::with(path, error))?;
                Report::from_json(&text).map_err(|why| Failure::with(path, why))?
            }
            _ => {
                let style = SiteStyle { full: self.full_stacks, raw_names: self.raw_names };
                Report::in_style(&input::read(path, mark.is_some())?, style)
            }
        };
        suppressions.apply(&mut report);
        let label = path.display().to_string();
        let mut snapshot = match (mark, self.region.as_deref()) {
            (Some(mark), _) => Snapshot::at_mark(&report, mark, is_last, label)?,
            (None, Some(region)) => {
                let runs = match (&self.b, is_last) {
                    (Some(_), _) => Runs::All,
                    (None, false) => Runs::First,
                    (None, true) => Runs::Last,
                };
                Snapshot::left_by_region(report, region, runs, label)?
            }
            (None, None) => Snapshot::at_end(report, label),
        };
        snapshot.regions.retain(|region| region.suppressed_by.is_none());
        Ok(snapshot)
    }

    fn exit_code(&self, difference: &Diff) -> ExitCode {
        let grown = u64::try_from(difference.bytes_change).unwrap_or(0);
        match self.fail_on_growth {
            Some(allowed) if grown > allowed => {
                if !self.quiet {
                    output::tell(&format!(
                        "ttmem: grew {}, {} allowed: exit code {}\n",
                        bytes(grown),
                        bytes(allowed),
                        output::LEAKED
                    ));
                }
                ExitCode::from(output::LEAKED)
            }
            _ => ExitCode::SUCCESS,
        }
    }
}
