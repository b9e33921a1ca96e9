//! Formats of other tools, one a file. Each gets the [`Steps`] of an input and writes as it goes; what needs the end keeps
//! what is live, and no more.

mod address_space;
mod csv;
mod folded;
mod heaptrack;
mod heaptrack_tables;
mod jsonl;
mod lanes;
mod newborns;
mod one_process;
mod output;
mod parquet;
mod parquet_table;
mod perfetto;
mod perfetto_proto;
mod pickle;
mod pprof;
mod pytorch;
mod rows;
mod speedscope;
mod stacks;
mod visualizer;

use std::{io, path::PathBuf};

use clap::ValueEnum;

pub use self::output::Output;
pub use self::stacks::Value;
use crate::{
    Failure,
    replay::{At, Step, Steps, Stopped},
};

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(clippy::doc_markdown, reason = "--help shows these lines")]
pub enum Format {
    /// Live bytes, lifetimes, regions, marks: ui.perfetto.dev
    Perfetto,
    /// Snapshot of PyTorch's memory viewer: pytorch.org/memory_viz
    PytorchSnapshot,
    /// Profile, gzip: go tool pprof
    Pprof,
    /// Profile: speedscope.app
    Speedscope,
    /// Folded stacks: flamegraph.pl, inferno
    Folded,
    /// Profile, gzip where OUT ends in .gz: heaptrack_gui, heaptrack_print
    Heaptrack,
    /// Table of what is live, with --events of all events: spreadsheets
    Csv,
    /// Every event, one JSON object a line: jq
    Jsonl,
    /// Two tables in a folder, events and allocations: DuckDB, pandas, Polars
    Parquet,
    /// Operations with what is live after each, as a folder: ttnn-visualizer --profiler-path
    TtnnVisualizer,
}

impl Format {
    /// Whether it is files in a folder.
    pub fn is_folder(self) -> bool {
        matches!(self, Self::Parquet | Self::TtnnVisualizer)
    }

    /// Whether it is fit for a terminal.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Speedscope | Self::Folded | Self::Heaptrack | Self::Csv | Self::Jsonl)
    }
}

/// How to write it. What a format has no use for it does not look at.
#[derive(Clone, Debug)]
pub struct Options {
    /// The format.
    pub format: Format,
    /// Which moment, for formats that show one.
    pub at: At,
    /// What a stack is worth, for formats that show one value.
    pub value: Value,
    /// In a table, events instead of allocations.
    pub events: bool,
    /// Events that are kept for each device, for formats whose viewers are slow with many.
    pub max_entries: usize,
    /// Lifetimes that are drawn at the same time, for each memory of a device.
    pub max_lanes: usize,
    /// Rows of live buffers, for formats that have all of them after each operation.
    pub max_rows: u64,
    /// The file or folder; `None` is standard output.
    pub to: Option<PathBuf>,
}

/// Writes one format.
trait Exporter {
    /// Takes the next step.
    fn step(&mut self, step: &Step<'_>) -> io::Result<()>;

    /// Writes what is left to write. Returns sentences on what is not in the file, for the user.
    fn finish(self: Box<Self>) -> io::Result<Vec<String>>;
}

/// Exports a file. Returns sentences on what was left out.
///
/// # Errors
/// If the input cannot be read or the output not be written.
pub fn export(steps: &Steps, options: &Options) -> Result<Vec<String>, Failure> {
    let name = options.to.as_deref().map_or_else(|| "standard output".into(), |path| path.to_string_lossy());
    let cannot_write = |error: io::Error| Failure::new(format!("{name}: {error}"));
    let stopped = |why| match why {
        Stopped::Reading(failure) => failure,
        Stopped::Writing(error) => cannot_write(error),
        Stopped::Enough => Failure::new(format!("{name}: is not whole")),
    };
    if options.format == Format::Parquet {
        return std::thread::scope(|scope| {
            let mut tables = parquet::Tables::create(scope, options.to.as_deref()).map_err(cannot_write)?;
            steps.run(&At::Exit, &mut |step| tables.step(step)).map_err(stopped)?;
            Box::new(tables).finish().map_err(cannot_write)
        });
    }
    if let (Format::TtnnVisualizer, Some(folder)) = (options.format, &options.to) {
        return visualizer::export(steps, folder, options.max_rows).map_err(stopped);
    }
    let mut output = Output::create(options.to.as_deref()).map_err(cannot_write)?;
    let mut notes = Vec::new();
    let done = {
        let mut exporter = exporter(steps, options, &mut output).map_err(cannot_write)?;
        steps
            .run(moment(options), &mut |step| exporter.step(step))
            .and_then(|()| exporter.finish().map_err(Stopped::from))
            .map(|told| notes = told)
    };
    match done {
        // Somebody has read enough.
        Err(Stopped::Writing(error)) if options.to.is_none() && error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(why) => return Err(stopped(why)),
        Ok(()) => match output.keep() {
            Err(error) if options.to.is_none() && error.kind() == io::ErrorKind::BrokenPipe => {}
            result => result.map_err(cannot_write)?,
        },
    }
    Ok(notes)
}

/// The moment that a format shows. To find one costs one more replay, so only those formats have it that show it.
fn moment(options: &Options) -> &At {
    match options.format {
        Format::Pprof | Format::Speedscope | Format::Folded => &options.at,
        Format::Csv if !options.events => &options.at,
        _ => &At::Exit,
    }
}

fn exporter<'a>(steps: &'a Steps, options: &Options, output: &'a mut Output) -> io::Result<Box<dyn Exporter + 'a>> {
    Ok(match options.format {
        Format::Perfetto => Box::new(perfetto::Perfetto::begin(steps, options.max_lanes, output)?),
        Format::PytorchSnapshot => Box::new(pytorch::Snapshot::new(steps, options.max_entries, output)),
        Format::Pprof => Box::new(pprof::Pprof::new(steps, output)),
        Format::Speedscope => Box::new(speedscope::Speedscope::new(steps, options.value, output)),
        Format::Folded => Box::new(folded::Folded::new(steps, options.value, output)),
        Format::Heaptrack => Box::new(heaptrack::Heaptrack::begin(steps, options.to.as_deref(), output)?),
        Format::Csv => Box::new(csv::Csv::begin(options.events, output)?),
        Format::Jsonl => Box::new(jsonl::Jsonl::new(output)),
        Format::Parquet | Format::TtnnVisualizer => return Err(io::Error::other("it is files in a folder")),
    })
}
