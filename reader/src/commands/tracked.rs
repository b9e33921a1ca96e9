//! A command with the library in it, from its start to the last event: what `run` and `record` have in common.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fs::{self, File},
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use ttmem_ring::{RingReader, create_private_dir, default_dir, discover};

use super::output;
use crate::{
    Drainer, Ended, Failure, Keep, Recorder, launch,
    report::shorten,
    visible::{visible, visible_path},
};

/// What to run, and how.
pub(super) struct Tracked<'a> {
    pub(super) command: &'a [OsString],
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
        check_environment()?;
        let library = launch::find_library()?;
        // The command may change its folder, and must find this one then.
        let base = std::path::absolute(default_dir()).map_err(|error| Failure::new(format!("TTMEM_DIR: {error}")))?;
        let folder = create_private_dir(&base).map_err(|error| Failure::with(&base, error))?;
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
        let mut child = match launch::start(self.command, &preload, folder, recorder.is_some()) {
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
            let running = running(folder).filter(|(pid, _)| *pid != command);
            let running: Vec<(u32, String)> = running.collect();
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
        if self.keep.rings || running(folder).next().is_some() {
            if !self.quiet {
                output::tell(&format!("ttmem: the rings are in {}\n", visible_path(folder)));
            }
            return;
        }
        let _ = fs::remove_dir_all(folder);
    }
}

/// The processes that have a ring here and run: their ids and command lines.
fn running(folder: &Path) -> impl Iterator<Item = (u32, String)> {
    let rings = discover(folder).unwrap_or_default().into_iter();
    rings.filter_map(|path| {
        let ring = RingReader::open(&path).ok().filter(|ring| ring.is_alive())?;
        Some((ring.header().pid, ring.header().command.join(" ")))
    })
}

/// What the library would only complain about is an error here, before the program runs.
fn check_environment() -> Result<(), Failure> {
    let check = |name: &str, wanted: &str, is_sound: &dyn Fn(&str) -> bool| {
        let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(()) };
        match value.to_str() {
            Some(text) if is_sound(text) => Ok(()),
            _ => Err(Failure::new(format!("{name}={}: not {wanted}; change or unset it", value.to_string_lossy()))),
        }
    };
    check("TTMEM_RING_BYTES", "a number of bytes from 4096 to 1 GiB", &|text| {
        text.parse::<u64>().is_ok_and(|bytes| (4096..=1 << 30).contains(&bytes))
    })?;
    check("TTMEM_ON_FULL", "wait, drop or block:<ms up to 60000>", &|text| {
        let ms = |text: &str| text.parse::<u64>().is_ok_and(|ms| ms <= 60_000);
        matches!(text, "wait" | "drop") || text.strip_prefix("block:").is_some_and(ms)
    })
}
