//! `ttmem export`.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    input::{self, Kind},
    output,
};
use crate::{
    Failure,
    export::{self, Format, Options, Value},
    replay::walk::{At, Walk},
};

/// Writes a recording, or what a ring has, in the format of another tool.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
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
                          duckdb -c \"from 'tables/regions.parquet'\"")]
pub(super) struct Export {
    /// A recording, or a ring file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The format.
    #[arg(long, short, value_enum)]
    format: Format,
    /// The file to write (of parquet the folder); else standard output.
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Which moment pprof, speedscope, folded and csv show what is live at.
    #[arg(long, value_enum, default_value = "end")]
    at: At,
    /// What a stack of speedscope and folded is worth.
    #[arg(long, value_enum, default_value = "live-bytes")]
    value: Value,
    /// In csv, every event instead of what is live.
    #[arg(long)]
    events: bool,
    /// Only the process with this id.
    #[arg(long, value_name = "PID")]
    process: Option<u32>,
    /// Only this device: the chips of a mesh are alike, and one is a smaller file.
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    device: Option<i32>,
    /// In pytorch-snapshot, the newest N events of each device.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    max_entries: usize,
    /// In perfetto, lifetimes that are drawn at the same time, for each memory of a device.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    max_lanes: usize,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let to = self.output.filter(|path| path.as_os_str() != "-");
        if to.is_none() && self.format == Format::Parquet {
            return Err(Failure::new("parquet is two tables: name a folder for them with -o"));
        }
        if to.is_none() && !self.format.is_text() && std::io::stdout().is_terminal() {
            return Err(Failure::new("this format is not for a terminal: name a file with -o"));
        }
        let mut walk = match input::kind(&self.file)? {
            Kind::Recording => Walk::recording(&self.file)?,
            Kind::Json => {
                return Err(Failure::with(&self.file, "a report in JSON; this reads recordings and rings"));
            }
            Kind::Ring | Kind::Unknown => Walk::ring(&self.file)?,
        };
        if let Some(pid) = self.process {
            walk.choose(pid)?;
        }
        if let Some(device) = self.device {
            walk.choose_device(device);
        }
        let options = Options {
            format: self.format,
            at: self.at,
            value: self.value,
            events: self.events,
            max_entries: self.max_entries,
            max_lanes: self.max_lanes,
            to,
        };
        let mut notes = export::export(&walk, &options)?;
        if walk.is_cut() {
            notes.push("the recording was cut short: what came after is not in it".to_owned());
        }
        let lost: u64 = walk.chosen().map(|(_, process)| process.lost).sum();
        if lost > 0 {
            notes.push(format!("{lost} events were lost: what is live may be more or less"));
        }
        for note in notes {
            output::tell(&format!("ttmem: {note}\n"));
        }
        Ok(ExitCode::SUCCESS)
    }
}
