//! Runs programs, with a limit on time and with nothing of the tester's own settings.

use std::{
    env,
    ffi::OsStr,
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Report, artifacts};

const LIMIT: Duration = Duration::from_secs(180);

/// What a program said, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code or signal.
    pub status: ExitStatus,
}

impl Outcome {
    /// The exit code, or 128 + the signal, as a shell has it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// The same, but for the lines of standard error that ttmem wrote.
    pub fn without_our_lines(&self) -> Self {
        let theirs = |line: &&str| !line.starts_with("ttmem: ");
        let stderr = self.stderr.split_inclusive('\n').filter(theirs).collect();
        Self { stderr, ..self.clone() }
    }

    /// The lines that ttmem wrote.
    pub fn our_lines(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with("ttmem: ")).collect()
    }
}

/// A new folder for rings, in memory where there is `/dev/shm`; it goes when the value does.
///
/// # Panics
/// If none can be made.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_path_buf() } else { env::temp_dir() };
    tempfile::Builder::new().prefix("ttmem-e2e-").tempdir_in(base).expect("a temporary folder")
}

/// A program to run.
#[derive(Debug)]
pub struct Run {
    command: Command,
}

impl Run {
    /// `program`, in this process's environment without ttmem's variables.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            let name_text = name.to_string_lossy();
            if name_text.starts_with("TTMEM_") || ["LD_PRELOAD", "TT_ALLOC_TRACKING_ENABLED"].contains(&&*name_text) {
                command.env_remove(&name);
            }
        }
        command.stdin(Stdio::null());
        Self { command }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds what another one runs as arguments, and its variables.
    #[must_use]
    pub fn command_of(mut self, other: &Self) -> Self {
        self.command.arg(other.command.get_program()).args(other.command.get_args());
        self.command.envs(other.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self
    }

    /// Preloads the library, with rings in `folder`.
    pub fn preloaded(self, folder: &Path) -> Self {
        self.env("LD_PRELOAD", artifacts::library()).env("TTMEM_DIR", folder)
    }

    /// Starts it, with its output thrown away.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut self) -> Child {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command))
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it cannot be started, or takes longer than three minutes.
    pub fn outcome(mut self) -> Outcome {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let status = self.wait(&mut child);
        let text = |reader: thread::JoinHandle<Vec<u8>>| {
            String::from_utf8_lossy(&reader.join().expect("the reading thread")).into_owned()
        };
        Outcome { stdout: text(stdout), stderr: text(stderr), status }
    }

    fn wait(&self, child: &mut Child) -> ExitStatus {
        let since = Instant::now();
        let mut nap = Duration::from_micros(100);
        loop {
            if let Some(status) = child.try_wait().expect("waiting for a child") {
                return status;
            }
            if since.elapsed() > LIMIT {
                let _ = child.kill();
                let _ = child.wait();
                panic!("still running after {LIMIT:?}: {:?}", self.command);
            }
            thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(5));
        }
    }

    /// Runs it under `ttmem record`, with rings in `folder`.
    ///
    /// # Panics
    /// If it cannot be started, or takes longer than three minutes.
    pub fn recorded(self, recording: &Path, folder: &Path) -> Outcome {
        let run =
            Run::new(artifacts::command()).env("TTMEM_DIR", folder).args(["record", "--quiet", "-o"]).arg(recording);
        run.arg("--").arg(self.command.get_program()).args(self.command.get_args()).outcome()
    }

    /// Runs it under `ttmem run --live-at-marks`, and reads the report.
    ///
    /// # Panics
    /// If there is no report.
    pub fn traced(self) -> (Outcome, Report) {
        self.traced_with(&[])
    }

    /// The same, with these variables for `ttmem run`.
    ///
    /// # Panics
    /// If there is no report.
    pub fn traced_with(self, variables: &[(&str, &str)]) -> (Outcome, Report) {
        let folder = folder();
        let json = folder.path().join("report.json");
        let mut run = Run::new(artifacts::command()).env("TTMEM_DIR", folder.path());
        for (name, value) in variables {
            run = run.env(name, value);
        }
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                run.command.env(name, value);
            }
        }
        let outcome = run
            .args(["run", "--quiet", "--live-at-marks", "--json"])
            .arg(&json)
            .arg("--")
            .arg(self.command.get_program())
            .args(self.command.get_args())
            .outcome();
        let text = std::fs::read_to_string(&json)
            .unwrap_or_else(|error| panic!("no report ({error}); exit {}: {}", outcome.code(), outcome.stderr));
        (outcome, Report::parse(&text))
    }
}

fn collect(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from
            && let Err(error) = from.read_to_end(&mut bytes)
        {
            let _ = writeln!(bytes, "(reading failed: {error})");
        }
        bytes
    })
}
