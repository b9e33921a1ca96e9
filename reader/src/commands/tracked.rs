//! A command with the library in it, from its start to the last event: what `run` and `record` have in common.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use ttmem_ring::{RingReader, create_private_dir, default_dir, discover};

use super::output;
use crate::{Drainer, Ended, Failure, Keep, Recorder, launch};

/// What to run, and how.
pub(super) struct Tracked<'a> {
    pub(super) command: &'a [OsString],
    pub(super) keep: Keep,
    pub(super) quiet: bool,
}

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
                output::tell(&format!("ttmem: {}: {error}\n", self.command[0].to_string_lossy()));
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
            stop.store(true, Ordering::Release);
            wakeup.wake();
            waited
        });
        let ended = waited.map(launch::ended).map_err(|error| Failure::new(format!("waiting for {pid}: {error}")))?;
        drainer.finish(pid, ended);
        conclude(&mut drainer, ended)
    }

    /// Removes the run's folder, unless somebody still needs it.
    fn tidy(&self, folder: &Path) {
        let in_use = || {
            let rings = discover(folder).unwrap_or_default();
            rings.iter().any(|path| RingReader::open(path).is_ok_and(|ring| ring.is_alive()))
        };
        if self.keep.rings || in_use() {
            if !self.quiet {
                output::tell(&format!("ttmem: the rings are in {}\n", folder.display()));
            }
            return;
        }
        let _ = fs::remove_dir_all(folder);
    }
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
