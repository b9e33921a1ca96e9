//! `ttmem attach`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use ttmem_ring::create_private_dir;

use super::{
    output::{self, ReportOptions},
    settings::Place,
    tracked::live_rings,
};
use crate::{
    Drainer, Ended, Failure, Keep, Lookout, Recorder,
    analysis::Analysis,
    attach::{self, Target},
    launch,
    report::{Report, bytes},
    top::{self, Style, Watcher},
    visible::visible_path,
};

/// Track a process that already runs, until it ends, Ctrl-C or --duration, and report.
///
/// gdb, or lldb where that is missing, loads libttmem.so into the process and starts it there; the process runs on, and is as before
/// when ttmem is done. What it has allocated by then is reported without call sites, once its allocator is used again. Needs one of the
/// two, and the right to debug the process.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem attach 4242                      until it ends, or Ctrl-C
  ttmem attach 4242 --duration 60        one minute of it
  ttmem attach 4242 -o leak.ttmem        keep every event, for `ttmem report`
  ttmem attach 4242 --top                watch it meanwhile; q stops and reports

A program can do the same by itself: ttmem.start() in Python, ttmem_start() in C.")]
pub(super) struct Attach {
    /// The process id.
    pid: u32,
    /// Stop after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// Show `ttmem top` of it meanwhile; q stops tracking.
    #[arg(long, conflicts_with = "duration")]
    top: bool,
    /// Keep every event in FILE, for `ttmem report`; it is replaced.
    #[arg(short = 'o', long = "record", value_name = "FILE")]
    recording: Option<PathBuf>,
    /// The library to load [TTMEM_LIBRARY].
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
    #[command(flatten)]
    output: ReportOptions,
    #[command(flatten)]
    place: Place,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "not a number of seconds".to_owned())
}

/// Between looks whether the process still runs.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the process may take to stop tracking: its flusher looks once a second.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

impl Attach {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.output.json {
            output::check_writable(path)?;
        }
        if self.top && !top::has_terminal() {
            return Err(Failure::new("attach --top: this is no terminal"));
        }
        let suppressions = self.output.judge.suppressions()?;
        let target = Target::find(self.pid)?;
        if live_rings(&target.folder()).any(|ring| ring.header().pid == self.pid) {
            return Err(Failure::new(format!(
                "attach {0}: it is tracked already; `ttmem top`, or `ttmem report {0}`",
                self.pid
            )));
        }
        let library = launch::find_library(self.library.as_deref())?;
        let base =
            std::path::absolute(self.place.folder()).map_err(|error| Failure::with(&self.place.folder(), error))?;
        let folder = create_private_dir(&base)
            .map_err(|error| super::settings::folder_failure(self.place.dir.as_deref(), &base, &error))?;
        let result = self.track(&target, &library, &folder, &suppressions);
        if live_rings(&folder).next().is_none() {
            let _ = fs::remove_dir_all(&folder);
        }
        result
    }

    fn track(
        &self,
        target: &Target,
        library: &Path,
        folder: &Path,
        suppressions: &crate::analysis::Suppressions,
    ) -> Result<ExitCode, Failure> {
        let signals = launch::Signals::take().map_err(|error| Failure::new(format!("signal handlers: {error}")))?;
        let keep = Keep { live_at_marks: self.output.live_at_marks, rings: false };
        let mut drainer = match &self.recording {
            Some(path) => {
                let file =
                    File::create(path).map_err(|error| Failure::with(path, format!("cannot be written: {error}")))?;
                let recorder = Recorder::new(file).map_err(|error| Failure::with(path, error))?;
                Drainer::recording(folder, keep, recorder)
            }
            None => Drainer::new(folder, keep),
        };
        attach::start(target, library, folder)?;
        if !self.output.quiet {
            output::tell(&format!("ttmem: tracking pid {}; Ctrl-C stops and reports\n", self.pid));
        }
        let (stop, wakeup) = (AtomicBool::new(false), drainer.wakeup());
        thread::scope(|scope| {
            scope.spawn(|| drainer.run_until(&stop));
            if let Err(error) = self.wait(target, folder, &signals) {
                output::tell(&format!("ttmem: {error}\n"));
            }
            self.detach(target, library, folder);
            stop.store(true, Ordering::Release);
            wakeup.wake();
        });
        drainer.finish(self.pid, Ended::Unknown);
        let recorded = self.recording.as_ref().map(|path| (path, drainer.finish_recording()));
        let style = self.output.site_style();
        let analysis = Analysis::new(drainer.sessions(), suppressions, style);
        if !self.output.quiet {
            output::tell(&drainer.complaints().map(|line| format!("ttmem: {line}\n")).collect::<String>());
            if analysis.processes.is_empty() {
                output::tell(&format!("ttmem: pid {} used no device memory meanwhile\n", self.pid));
            } else if !self.output.json_is_stdout() {
                output::print(&output::text(&analysis, &self.output.stacks().stdout()))?;
            }
        }
        if let Some((path, events)) = recorded {
            let events = events.map_err(|error| Failure::with(path, error))?;
            if !self.output.quiet {
                let size = bytes(fs::metadata(path).map_or(0, |metadata| metadata.len()));
                let words = output::shell_words([path.to_string_lossy()]);
                output::tell(&format!(
                    "ttmem: {events} events in {} ({size})\nNext: ttmem report {words}\n",
                    visible_path(path)
                ));
            }
        }
        let written = self
            .output
            .json
            .as_deref()
            .map_or(Ok(()), |path| output::write_json(path, &Report::new(&analysis, style, None)));
        output::after(written, self.output.judge.exit_code(&analysis, 0, self.output.quiet))
    }

    fn wait(&self, target: &Target, folder: &Path, signals: &launch::Signals) -> Result<(), Failure> {
        if self.top {
            let folder = folder.to_owned();
            let watcher = Watcher::new(Lookout::new(move || vec![folder.clone()]));
            return top::run(watcher, Style::of_environment(), Some(self.pid));
        }
        let since = Instant::now();
        while target.runs() && !signals.has_come() && self.duration.is_none_or(|duration| since.elapsed() < duration) {
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Has the process stop tracking.
    fn detach(&self, target: &Target, library: &Path, folder: &Path) {
        let since = Instant::now();
        if live_rings(folder).map(|ring| ring.ask_to_stop()).count() == 0
            && target.runs()
            && let Err(error) = attach::stop(target, library, folder)
        {
            output::tell(&format!("ttmem: {error}\n"));
        }
        while live_rings(folder).next().is_some() && target.runs() {
            if since.elapsed() > STOPS_WITHIN {
                output::tell(&format!("ttmem: pid {} has not stopped tracking; it goes on by itself\n", self.pid));
                return;
            }
            thread::sleep(LOOK_EVERY / 5);
        }
    }
}
