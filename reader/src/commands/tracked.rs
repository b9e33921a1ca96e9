//! A command with the library in it, from its start to the last event: what `run` and `record` have in common.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, File},
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use ttmem_ring::{RingReader, create_private_dir, discover};

use super::{output, settings::Settings};
use crate::{
    Drainer, Ended, Failure, Keep, Recorder, launch,
    report::shorten,
    visible::{visible, visible_path},
};

/// What to run, and how.
pub(super) struct Tracked<'a> {
    pub(super) command: &'a [OsString],
    pub(super) settings: &'a Settings,
    pub(super) keep: Keep,
    pub(super) quiet: bool,
    /// Whether processes that outlive the command are waited for.
    pub(super) waits: bool,
}

/// Between looks whether they still run.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Tracked<'_> {
    /// Runs it; `conclude` makes of what was drained, and of how the command ended, an exit code.
    pub(super) fn run(
        &self,
        recorder: Option<Recorder<File>>,
        conclude: impl FnOnce(&mut Drainer, Ended) -> Result<ExitCode, Failure>,
    ) -> Result<ExitCode, Failure> {
        self.settings.check()?;
        let library = launch::find_library(self.settings.library())?;
        // The command may change its folder, and must find this one then.
        let named = self.settings.folder();
        let base = std::path::absolute(&named).map_err(|error| Failure::with(&named, error))?;
        let folder = create_private_dir(&base).map_err(|error| self.settings.folder_failure(&base, &error))?;
        let result = self.run_in(&folder, &library, recorder, conclude);
        self.tidy(&folder);
        result
    }

    fn run_in(
        &self,
        folder: &Path,
        library: &Path,
        recorder: Option<Recorder<File>>,
        conclude: impl FnOnce(&mut Drainer, Ended) -> Result<ExitCode, Failure>,
    ) -> Result<ExitCode, Failure> {
        let preload = launch::preload(library, folder)?;
        let signals = launch::Signals::take().map_err(|error| Failure::new(format!("signal handlers: {error}")))?;
        let variables = self.settings.variables();
        let mut child = match launch::start(self.command, &variables, &preload, folder, recorder.is_some()) {
            Ok(child) => child,
            Err(error) => {
                output::tell(&format!("ttmem: {}: {error}\n", visible(&self.command[0].to_string_lossy())));
                let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
                return Ok(ExitCode::from(code));
            }
        };
        let pid = child.id();
        let mut drainer = match recorder {
            Some(recorder) => Drainer::recording(folder, self.keep, recorder),
            None => Drainer::new(folder, self.keep),
        };
        let (stop, wakeup) = (AtomicBool::new(false), drainer.wakeup());
        let waited = std::thread::scope(|scope| {
            scope.spawn(|| drainer.run_until(&stop));
            let waited = signals.wait(&mut child);
            if self.waits && waited.is_ok() {
                self.wait_for_others(folder, pid, &signals);
            }
            stop.store(true, Ordering::Release);
            wakeup.wake();
            waited
        });
        let ended = waited.map(launch::ended).map_err(|error| Failure::new(format!("waiting for {pid}: {error}")))?;
        drainer.finish(pid, ended);
        conclude(&mut drainer, ended)
    }

    /// Waits for processes that outlive the command, until they end or a signal comes.
    fn wait_for_others(&self, folder: &Path, command: u32, signals: &launch::Signals) {
        let mut named = BTreeSet::new();
        while !signals.has_come() {
            let running = live_rings(folder).map(|ring| (ring.header().pid, ring.header().command.join(" ")));
            let running: Vec<(u32, String)> = running.filter(|(pid, _)| *pid != command).collect();
            if running.is_empty() {
                return;
            }
            for (pid, line) in running {
                if named.insert(pid) && !self.quiet {
                    output::tell(&format!(
                        "ttmem: waiting for pid {pid} ({}), which outlives the command; --no-wait does not wait\n",
                        shorten(&line, 60)
                    ));
                }
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Removes the run's folder, unless somebody still needs it.
    fn tidy(&self, folder: &Path) {
        if self.keep.rings || live_rings(folder).next().is_some() {
            if !self.quiet {
                output::tell(&format!("ttmem: the rings are in {}\n", visible_path(folder)));
            }
            return;
        }
        let _ = fs::remove_dir_all(folder);
    }
}

/// The rings in a folder whose processes put events into them.
pub(super) fn live_rings(folder: &Path) -> impl Iterator<Item = RingReader> {
    let rings = discover(folder).unwrap_or_default().into_iter();
    rings.filter_map(|path| RingReader::open(&path).ok().filter(RingReader::is_alive))
}
