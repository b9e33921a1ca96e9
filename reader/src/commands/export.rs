//! `ttmem export`.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};

use super::output;
use crate::{
    Failure, ProcessName,
    export::{self, Format, Options, Value},
    replay::{At, Input, Steps},
    report::count,
};

/// Write a recording, or what a ring has, in the format of another tool
#[derive(Debug, Args)]
#[command(
    override_usage = "ttmem export <FILE> --format <FORMAT> [OPTIONS]\n       ttmem export               (lists the formats)",
    after_help = "Examples:
  ttmem export run.ttmem --format perfetto -o run.pftrace     ui.perfetto.dev
  ttmem export run.ttmem --format pytorch-snapshot -o run.pickle
                                                 pytorch.org/memory_viz
  ttmem export run.ttmem --format pprof --at peak -o run.pb.gz
                                                 go tool pprof -http : run.pb.gz
  ttmem export run.ttmem --format speedscope --at peak -o run.speedscope.json
  ttmem export run.ttmem --format folded --at peak | flamegraph.pl > run.svg
  ttmem export run.ttmem --format heaptrack -o run.heaptrack.gz
                                                 heaptrack_gui run.heaptrack.gz
  ttmem export run.ttmem --format csv > live.csv
  ttmem export run.ttmem --format csv --events > events.csv
  ttmem export run.ttmem --format jsonl | jq 'select(.event == \"mark\").name'
  ttmem export run.ttmem --format parquet -o tables
                          duckdb -c \"from 'tables/regions.parquet'\"
  ttmem export run.ttmem --format ttnn-visualizer -o run.report
                          ttnn-visualizer --profiler-path run.report"
)]
pub(super) struct Export {
    /// A recording, or a ring file
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write this format; without it, the formats are listed, with what opens each
    #[arg(long, short, value_enum)]
    format: Option<Format>,
    /// Write to this file (of parquet and ttnn-visualizer: folder), not to standard output
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Print nothing but what is wrong or left out
    #[arg(long)]
    quiet: bool,
    /// Show what was live at this moment, in pprof, speedscope, folded and csv: peak, end, the last mark of a name (NAME:3 is
    /// the third), or seconds after the first event
    #[arg(long, value_name = "peak|end|MARK|SECONDS", default_value = "end")]
    at: At,
    /// Weigh the stacks of speedscope and folded by this
    #[arg(long, value_enum, default_value = "live-bytes")]
    value: Value,
    /// Write every event to csv, not what is live
    #[arg(long)]
    events: bool,
    /// Write only one process, by its id or words of its command line, as model.py
    #[arg(long, value_name = "PID|NAME", visible_alias = "process")]
    pid: Option<ProcessName>,
    /// Write only this device: the chips of a mesh are alike, and one is a smaller file
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    device: Option<i32>,
    /// Keep the newest N events of each device in pytorch-snapshot
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    max_entries: usize,
    /// Draw at most N lifetimes at a time in perfetto, for each memory of a device
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_lanes: usize,
    /// Write at most N rows of live buffers to ttnn-visualizer, and those of the peaks: fewer operations where they do not fit
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    max_rows: u64,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (file, format) = match (&self.file, self.format) {
            (Some(file), Some(format)) => (file, format),
            (None, None) => {
                output::print(&formats())?;
                return Ok(ExitCode::SUCCESS);
            }
            (Some(file), None) => {
                let name = output::shell_words([file.to_string_lossy()]);
                output::tell(&format!(
                    "ttmem: name a format, as `ttmem export {name} --format perfetto`\n{}",
                    formats()
                ));
                return Ok(super::FAILED.into());
            }
            (None, Some(_)) => return Err(Failure::new("export: name a recording or a ring")),
        };
        let to = self.output.filter(|path| path.as_os_str() != "-");
        if to.is_none() && format.is_folder() {
            return Err(Failure::new("this format is files in a folder: name one with -o"));
        }
        if to.is_none() && !format.is_text() && std::io::stdout().is_terminal() {
            return Err(Failure::new("this format is not for a terminal: name a file with -o"));
        }
        let mut steps = Steps::of(Input::open(file, false)?)?;
        if let Some(pid) = &self.pid {
            steps.choose(pid)?;
        }
        if let Some(device) = self.device {
            steps.choose_device(device);
        }
        let options = Options {
            format,
            at: self.at,
            value: self.value,
            events: self.events,
            max_entries: self.max_entries,
            max_lanes: self.max_lanes,
            max_rows: self.max_rows,
            to,
        };
        let mut notes = export::export(&steps, &options)?;
        if let Some(events) = steps.cut_after() {
            notes.push(format!(
                "the recording was cut short after {} events: what came after is not in it",
                count(events)
            ));
        }
        if steps.restored() > 0 {
            let folded = count(steps.restored());
            notes.push(format!(
                "the ring has a snapshot of its first {folded} events: only what came after is exported"
            ));
        }
        let lost: u64 = steps.chosen().map(|(_, process)| process.lost).sum();
        if lost > 0 {
            notes.push(format!("{} events were lost: what is live may be more or less", count(lost)));
        }
        if let (Some(path), false) = (&options.to, self.quiet) {
            notes.push(opening(format, path));
        }
        for note in notes {
            output::tell(&format!("ttmem: {note}\n"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The formats, a line each: what is in it, and what opens it.
fn formats() -> String {
    let line = |format: &Format| {
        let value = format.to_possible_value()?;
        Some(format!("  {:<17} {}\n", value.get_name(), value.get_help()?))
    };
    Format::value_variants().iter().filter_map(line).collect()
}

/// What opens a file of this format.
fn opening(format: Format, path: &Path) -> String {
    let file = output::shell_words([path.to_string_lossy()]);
    let how = match format {
        Format::Perfetto => "open it at https://ui.perfetto.dev".to_owned(),
        Format::PytorchSnapshot => "drop it on https://pytorch.org/memory_viz".to_owned(),
        Format::Pprof => format!("open it with `go tool pprof -http : {file}`"),
        Format::Speedscope => "open it at https://www.speedscope.app".to_owned(),
        Format::Folded => format!("draw it with `flamegraph.pl {file} > flames.svg`"),
        Format::Heaptrack => format!("open it with `heaptrack_gui {file}`"),
        Format::Csv => "open it with any spreadsheet".to_owned(),
        Format::Jsonl => format!("read it with `jq . {file}`"),
        Format::Parquet => {
            let table = path.join("regions.parquet");
            format!("read it with `duckdb -c \"from '{}'\"`", table.display())
        }
        Format::TtnnVisualizer => format!("open it with `ttnn-visualizer --profiler-path {file}`"),
    };
    format!("{} is written; {how}", path.display())
}
