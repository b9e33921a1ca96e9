//! `ttmem report`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    input,
    judge::parse_size,
    next,
    output::{self, ReportOptions},
};
use crate::{
    Failure, ProcessName,
    analysis::{Analysis, By, WantedBlock},
    html::Drawing,
    replay::{At, Input, moment},
    report::{Report, View},
    visible::visible_path,
};

/// Report from recordings, and from the rings of living and dead processes.
///
/// Takes nothing out of the rings: a second call reports the same.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem report run.ttmem
  ttmem report --html run.html run.ttmem       (opens in any browser, needs no network)
  ttmem report 4242                            (a process, running or dead)
  ttmem report /dev/shm/ttmem-0                (all rings in a folder)
  ttmem report --at peak --by op run.ttmem     (who made the peak)
  ttmem report --at 'epoch 3' run.ttmem        (what was live then)
  ttmem report --tree run.ttmem                (what is live, with callers)
  ttmem report --at peak --fragmentation run.ttmem
  ttmem report --fragmentation=24MiB run.ttmem (what stands in its way)
  ttmem report --region decode run.ttmem       (what it added and left)
  ttmem report --json - run.ttmem | jq .processes[0].verdict
  ttmem report --fail-on-leak run.ttmem        (exit code 23 if it leaks)")]
pub(super) struct ReportFiles {
    #[command(flatten)]
    output: ReportOptions,
    /// Write a page with pictures to FILE: timeline, flame graph, memory map (docs/html.md). One input only.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Report what was live at one moment: peak, exit, the name of a mark (the last of that name; NAME:3 is the third), or so many
    /// seconds after the first event.
    #[arg(long, value_name = "peak|exit|MARK|SECONDS", conflicts_with_all = ["mark", "region"])]
    at: Option<At>,
    /// Add up what was live then (without --at, at the end): by site, op, size, device, memory or generation.
    #[arg(long, value_enum, value_name = "WHAT", hide_possible_values = true, conflicts_with = "region")]
    by: Option<By>,
    /// Show what was live then as a tree of callers.
    #[arg(long, conflicts_with_all = ["by", "region"])]
    tree: bool,
    /// Report what was free then (without --at, at the end): its blocks, and which allocations stand between them; or, with
    /// BYTES, in the way of a block of so many in each bank.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, require_equals = true, value_parser = parse_size,
          conflicts_with_all = ["by", "tree", "region"])]
    fragmentation: Option<Option<u64>>,
    /// Report what was allocated in total: bytes, sizes, the most frequent and the largest sources, and what was short-lived.
    #[arg(long, conflicts_with_all = ["at", "by", "tree", "mark", "region", "fragmentation"])]
    stats: bool,
    /// Report one mark, as --at does.
    #[arg(long, value_name = "NAME")]
    mark: Option<String>,
    /// Report one region of the program: what it added, and left. All of that name; NAME:3 is the third.
    #[arg(long, value_name = "NAME", conflicts_with = "mark")]
    region: Option<String>,
    /// Report one process alone, by its id or words of its command line, as model.py.
    #[arg(long, value_name = "PID|NAME", visible_alias = "process")]
    pid: Option<ProcessName>,
    /// Recordings, ring files, folders of them, or ids of processes that have a ring. Sidecar files beside rings are skipped.
    #[arg(required = true, value_name = "FILE|DIR|PID")]
    files: Vec<PathBuf>,
}

impl ReportFiles {
    pub(super) fn run(mut self) -> Result<ExitCode, Failure> {
        self.files = input::named(&self.files)?;
        let suppressions = self.output.judge.suppressions()?;
        let quiet = self.output.quiet;
        let style = self.output.site_style();
        let at = self.moment();
        if at.is_some() && self.files.len() > 1 {
            return Err(Failure::new(
                "--at, --mark, --by, --tree and --fragmentation show one recording or ring; name one file",
            ));
        }
        let live_at_marks = self.output.live_at_marks;
        let mut processes = Vec::new();
        let mut sound = Vec::new();
        let mut drawing = None;
        if let Some(path) = &self.html {
            let [file] = self.files.as_slice() else {
                return Err(Failure::new("--html draws one recording or ring; name one file"));
            };
            output::check_writable(path)?;
            let (drawn, drawn_processes) = Drawing::of(Input::open(file, live_at_marks)?)?;
            (drawing, processes, sound) = (Some((path, drawn)), drawn_processes, self.files.clone());
        } else {
            for path in &self.files {
                match input::read(path, live_at_marks) {
                    Ok(read) => {
                        processes.extend(read);
                        sound.push(path.clone());
                    }
                    // The last that could be shown.
                    Err(why) if sound.is_empty() && path == &self.files[self.files.len() - 1] => return Err(why),
                    Err(why) => output::tell(&format!("ttmem: {why}\n")),
                }
            }
        }
        let mut analysis = Analysis::new(&processes, &suppressions, style);
        if let Some(pid) = &self.pid {
            analysis.select_process(pid)?;
        }
        if let Some((path, drawing)) = drawing {
            let report = Report::new(&analysis, style, None);
            output::write_text_file(path, &drawing.page(&processes, &analysis, &report))?;
            if !quiet {
                output::tell(&format!("ttmem: the page is in {}\n", visible_path(path)));
            }
        }
        // Judged as a whole, whatever is shown of it.
        let code = self.output.judge.exit_code(&analysis, 0, quiet);
        match (&at, &self.region, self.files.as_slice()) {
            (Some(At::Exit), ..) if self.fragmentation.is_none() => analysis.select_exit(),
            (Some(at), _, [file]) => {
                if let At::Mark(name) = at {
                    analysis.select_mark(name)?;
                }
                let found = moment(&Input::open(file, false)?, at)?;
                let wanted = self.fragmentation.map(|bytes| bytes.map_or(WantedBlock::Larger, WantedBlock::Of));
                analysis.select_replayed(at, &found, &processes, &suppressions, style, wanted);
            }
            (_, Some(name), _) => analysis.select_region(name)?,
            (None, None, _) if self.stats => {
                for file in &sound {
                    analysis.add_statistics(&Input::open(file, false)?, style)?;
                }
            }
            _ => {}
        }
        drop(processes);
        if let Some(path) = &self.output.json {
            output::write_json(path, &Report::new(&analysis, style, self.by))?;
        }
        if !quiet && !self.output.json_is_stdout() {
            output::print(&self.text(&analysis, at.is_some()))?;
        }
        Ok(ExitCode::from(code))
    }

    /// The moment that is reported, if it is one.
    fn moment(&self) -> Option<At> {
        let at = self.at.clone().or_else(|| self.mark.clone().map(At::Mark));
        at.or_else(|| (self.by.is_some() || self.tree || self.fragmentation.is_some()).then_some(At::Exit))
    }

    fn text(&self, analysis: &Analysis, is_moment: bool) -> String {
        let screen = self.output.stacks().stdout();
        if is_moment || self.region.is_some() || self.stats {
            let view = match self.by {
                _ if self.stats => View::Statistics,
                _ if self.region.is_some() => View::Regions,
                Some(by) => View::By(by),
                None if self.tree => View::Tree,
                None if self.fragmentation.is_some() => View::Fragmentation,
                None => View::List,
            };
            return output::text_of_view(analysis, view, &screen);
        }
        let mut text = output::text(analysis, &screen);
        if analysis.processes.is_empty() {
            text += "No process reported an event.\n";
        } else if let Some(next) = next::after_report(analysis, &self.files, self.html.is_some()) {
            text += &format!("{next}\n");
        }
        text
    }
}
