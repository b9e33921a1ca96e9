//! `ttmem run`.

use std::{
    env,
    ffi::OsString,
    fs,
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::Args;
use ttmem_ring::{RingReader, create_private_dir, default_dir, discover};

use super::output::{self, ReportOptions};
use crate::{
    Drainer, Ended, Failure, Keep, launch,
    report::{Report, Verdict, bytes, live_bytes, verdict},
};

/// The exit code of --fail-on-leak.
const LEAKED: u8 = 23;

/// What to try when events were lost: a ring for a million.
const LARGE_RING: u64 = 64 << 20;

/// Runs a command and reports where device memory went in it and all its descendants.
///
/// The library is preloaded; nothing is rebuilt. The report goes to standard error, since standard output is the
/// command's. The exit code is the command's own (128+N for signal N).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem run -- python model.py
  ttmem run --json report.json --quiet -- ./build/test_eltwise
  ttmem run --fail-on-leak=1024 -- pytest tests/      (exit code 23 if more leaks)")]
pub(super) struct Run {
    #[command(flatten)]
    output: ReportOptions,
    /// Exit with 23 if more than BYTES (default 0) are live when the processes end, and the command itself succeeded.
    #[arg(long, value_name = "BYTES", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    fail_on_leak: Option<u64>,
    /// Keep the ring files, and say where they are. Their events are in this report, and are not told twice.
    #[arg(long)]
    keep_rings: bool,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        check_environment()?;
        if let Some(path) = &self.output.json {
            output::check_writable(path)?;
        }
        let library = launch::find_library()?;
        // The command may change its folder, and must find this one then.
        let base = std::path::absolute(default_dir()).map_err(|error| Failure::new(format!("TTMEM_DIR: {error}")))?;
        let folder = create_private_dir(&base).map_err(|error| Failure::with(&base, error))?;
        let result = self.run_in(&folder, &library);
        self.tidy(&folder);
        result
    }

    fn run_in(&self, folder: &Path, library: &Path) -> Result<ExitCode, Failure> {
        let preload = launch::preload(library, folder)?;
        let signals = launch::Signals::take().map_err(|error| Failure::new(format!("signal handlers: {error}")))?;
        let mut child = match launch::start(&self.command, &preload, folder) {
            Ok(child) => child,
            Err(error) => {
                output::tell(&format!("ttmem: {}: {error}\n", self.command[0].to_string_lossy()));
                let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
                return Ok(ExitCode::from(code));
            }
        };
        let pid = child.id();
        let mut drainer =
            Drainer::new(folder, Keep { live_at_marks: self.output.live_at_marks, rings: self.keep_rings });
        let stop = AtomicBool::new(false);
        let waited = std::thread::scope(|scope| {
            scope.spawn(|| drainer.run_until(&stop));
            let waited = signals.wait(&mut child);
            stop.store(true, Ordering::Release);
            waited
        });
        let ended = waited.map(launch::ended).map_err(|error| Failure::new(format!("waiting for {pid}: {error}")))?;
        drainer.finish(pid, ended);
        let report = Report::new(drainer.sessions());
        if !self.output.quiet {
            let complaints = drainer.complaints().map(|line| format!("ttmem: {line}\n"));
            output::tell(&complaints.collect::<String>());
            self.print(&report);
        }
        let written = self.output.json.as_deref().map_or(Ok(()), |path| output::write_json(path, &report));
        let code = self.exit_code(&report, ended);
        match written {
            Err(failure) if code != 0 => {
                // What the command said by its exit code is worth more.
                output::tell(&format!("ttmem: {failure}\n"));
                Ok(ExitCode::from(code))
            }
            written => written.map(|()| ExitCode::from(code)),
        }
    }

    fn print(&self, report: &Report) {
        if report.processes.is_empty() {
            output::tell(&format!("\nttmem: {}\n", why_nothing()));
            return;
        }
        let command = || output::shell_words(self.command.iter().map(|word| word.to_string_lossy()));
        let next = match &self.output.json {
            _ if report.processes.iter().any(|process| process.events.lost > 0) => {
                format!("Next: TTMEM_RING_BYTES={LARGE_RING} ttmem run -- {}", command())
            }
            None => format!("Next: ttmem run --json report.json -- {}", command()),
            Some(path) => format!("All of it is in {}.", path.display()),
        };
        output::tell(&format!("\n{}{next}\n", output::text(report)));
    }

    fn exit_code(&self, report: &Report, ended: Ended) -> u8 {
        let code = launch::exit_code(ended);
        let Some(allowed) = self.fail_on_leak.filter(|_| code == 0) else { return code };
        let left = report.processes.iter().fold(0, |sum: u64, process| sum.saturating_add(live_bytes(process)));
        let is_leak = left > allowed;
        let is_unknown = report.processes.iter().any(|process| matches!(verdict(process), Verdict::Inconclusive(_)));
        let line = match (is_leak, is_unknown) {
            (true, _) => format!("ttmem: {} live, {} allowed: exit code {LEAKED}\n", bytes(left), bytes(allowed)),
            (false, true) => "ttmem: --fail-on-leak cannot tell: a verdict is inconclusive; exit code 0\n".to_owned(),
            (false, false) => String::new(),
        };
        if !self.output.quiet {
            output::tell(&line);
        }
        if is_leak { LEAKED } else { code }
    }

    /// Removes the run's folder, unless somebody still needs it.
    fn tidy(&self, folder: &Path) {
        let in_use = || {
            let rings = discover(folder).unwrap_or_default();
            rings.iter().any(|path| RingReader::open(path).is_ok_and(|ring| ring.is_alive()))
        };
        if self.keep_rings || in_use() {
            if !self.output.quiet {
                output::tell(&format!("ttmem: the rings are in {}\n", folder.display()));
            }
            return;
        }
        let _ = fs::remove_dir_all(folder);
    }
}

fn why_nothing() -> &'static str {
    let value = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    // As the library understands them.
    let is_off = value("TT_ALLOC_TRACKING_ENABLED").is_some_and(|value| value == "0")
        || value("TTMEM_DISABLE").is_some_and(|value| !["0", "false", "off", "no"].iter().any(|no| value == *no));
    if is_off {
        return "tracking is off: TTMEM_DISABLE or TT_ALLOC_TRACKING_ENABLED=0 is set.";
    }
    "no process reported an event: no device memory was used, or the program is statically linked, setuid, or a build of \
     tt-metal that ttmem does not know."
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
    check("TTMEM_ON_FULL", "drop or block:<ms up to 60000>", &|text| {
        let ms = |text: &str| text.parse::<u64>().is_ok_and(|ms| ms <= 60_000);
        text == "drop" || text.strip_prefix("block:").is_some_and(ms)
    })
}
