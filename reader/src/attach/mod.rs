//! Brings the library into a process that runs, and starts it there: by gdb or lldb, as memray does.

mod gdb;
mod lldb;
mod target;

use std::{
    env,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use signal_hook::consts::SIGINT;

use crate::Failure;
pub(crate) use target::Target;

/// How long a thread of the process is waited for that allocates host memory.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a debugger says of a process that is gone, or about to be;
const GONE: [&str; 3] = ["not being run", "o such process", "exited"];
/// and how long a process that was killed may take to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// The most that the debugger needs besides.
const LIMIT: Duration = Duration::from_secs(60);

/// A function of the library that is called in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Start,
    Stop,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "ttmem_start",
            Self::Stop => "ttmem_stop",
        }
    }
}

/// What is to be called, and with what, as C strings.
struct Wish<'a> {
    target: &'a Target,
    call: Call,
    library: &'a str,
    folder: &'a str,
}

/// What a debugger is given, and how its output is read.
struct Plan {
    /// Its scripts, by the name of the file.
    scripts: Vec<(&'static str, String)>,
    /// Its arguments before the scripts, and before each.
    arguments: Vec<String>,
    before_script: &'static str,
    /// What its output has once it waits for a thread; before that it reads symbols, which may take long. Empty where
    /// that is not told.
    waits: &'static str,
    /// What stands in its output before the result, and before the dynamic linker's refusal.
    done: &'static str,
    refused: &'static str,
    /// The result where there was none.
    not_done: &'static str,
    /// The process and the signal that have it stop waiting, where that is not SIGINT to the debugger.
    interrupt: Option<(u32, i32)>,
}

type Planned = fn(&Wish<'_>) -> Result<Plan, Failure>;

/// Starts tracking in the process, with its rings in `folder`.
///
/// # Errors
/// What forbids it, and what to do.
pub(crate) fn start(target: &Target, library: &Path, folder: &Path) -> Result<(), Failure> {
    call_in(target, library, folder, Call::Start)
}

/// Stops it, where no ring was made that could carry the wish.
///
/// # Errors
/// As for [`start`].
pub(crate) fn stop(target: &Target, library: &Path, folder: &Path) -> Result<(), Failure> {
    call_in(target, library, folder, Call::Stop)
}

fn call_in(target: &Target, library: &Path, folder: &Path, call: Call) -> Result<(), Failure> {
    let (debugger, plan) = find_debugger()?;
    let plan = plan(&Wish { target, call, library: &c_string(library)?, folder: &c_string(folder)? })?;
    let output_path = folder.join("attach.log");
    let output = File::create(&output_path).map_err(|error| Failure::with(&output_path, error))?;
    let mut command = Command::new(debugger);
    command.args(&plan.arguments).env_remove("LD_PRELOAD").stdin(Stdio::null());
    let mut written = vec![output_path.clone()];
    for (name, text) in &plan.scripts {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| Failure::with(&path, error))?;
        command.arg(plan.before_script).arg(&path);
        written.push(path);
    }
    let waits = || fs::read_to_string(&output_path).is_ok_and(|text| text.contains(plan.waits));
    let ended = run(command, output, waits, plan.interrupt);
    let output = fs::read(&output_path).unwrap_or_default();
    for path in &written {
        let _ = fs::remove_file(path);
    }
    ended?;
    let output = String::from_utf8_lossy(&output);
    let value = |name: &str| output.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    match (value(plan.done).filter(|result| *result != plan.not_done), value(plan.refused)) {
        (Some(result), _) if call == Call::Stop || result != "0" => Ok(()),
        (Some(_), _) => {
            Err(failure(target, "the library is off there: TTMEM_DISABLE or TT_ALLOC_TRACKING_ENABLED=0 is set"))
        }
        (None, Some(why)) => {
            // lldb prints a string with its address, and in quotes.
            let why = why.split_once('"').map_or(why, |(_, why)| why.trim_end_matches('"'));
            Err(failure(target, &format!("its dynamic linker refuses {}: {why}", library.display())))
        }
        (None, None) => {
            let since = Instant::now();
            while GONE.iter().any(|words| output.contains(words)) && target.runs() && since.elapsed() < ENDS_WITHIN {
                thread::sleep(Duration::from_millis(20));
            }
            Err(failure(target, &why_not(&output)))
        }
    }
}

fn failure(target: &Target, why: &str) -> Failure {
    // What went wrong with a process that is gone went wrong because it is.
    let why = if target.runs() { why } else { "it has ended" };
    Failure::new(format!("attach {}: {why}", target.pid()))
}

/// gdb, which is everywhere, else lldb; and what to give it.
fn find_debugger() -> Result<(PathBuf, Planned), Failure> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| path.is_file());
    let known: [(&str, Planned); 2] = [("gdb", gdb::plan), ("lldb", lldb::plan)];
    known.into_iter().find_map(|(name, plan)| Some((find(name)?, plan))).ok_or_else(|| {
        Failure::new(
            "attach: neither gdb nor lldb is on PATH; install one (apt install gdb), or have the program call ttmem.start()",
        )
    })
}

/// Longer paths have no room where the script puts them.
const LONGEST_PATH: usize = 1000;

/// A path as a C string of a debugger's.
fn c_string(path: &Path) -> Result<String, Failure> {
    let is_odd = |letter: char| letter.is_control() || "\"\\`".contains(letter);
    let text = path.to_str().filter(|text| text.len() <= LONGEST_PATH && !text.contains(is_odd));
    text.map(|text| format!("\"{text}\"")).ok_or_else(|| {
        Failure::with(path, "attach: a path that is so long, or has quotes in it, cannot be given to a debugger")
    })
}

/// Runs the debugger to its end. Where the process does not come to a place in time, it is interrupted: it stops the
/// process, runs the rest of the script and lets go. It is never killed, since its breakpoints would stay.
fn run(
    mut command: Command,
    output: File,
    waits: impl Fn() -> bool,
    interrupt: Option<(u32, i32)>,
) -> Result<(), Failure> {
    let name = command.get_program().display().to_string();
    let failed = |error| Failure::new(format!("attach: {name}: {error}"));
    let errors = output.try_clone().map_err(&failed)?;
    // In a group of its own: ^C on the terminal is for us.
    let mut child = command.stdout(output).stderr(errors).process_group(0).spawn().map_err(&failed)?;
    let since = Instant::now();
    let (mut waiting_since, mut interrupted) = (None, false);
    while child.try_wait().map_err(&failed)?.is_none() {
        if waiting_since.is_none() && waits() {
            waiting_since = Some(Instant::now());
        }
        if !interrupted && waiting_since.is_some_and(|since: Instant| since.elapsed() > PATIENCE) {
            interrupted = true;
            let (pid, signal) = interrupt.unwrap_or((child.id(), SIGINT));
            ttmem_ring::send_signal(pid, signal);
        }
        if since.elapsed() > LIMIT {
            return Err(Failure::new(
                "attach: the debugger does not come to an end; is the process stopped, or under another debugger?",
            ));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The reason in what the debugger printed.
fn why_not(output: &str) -> String {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if output.contains("Operation not permitted") {
        return match scope.trim() {
            "" | "0" => "the kernel forbids it (ptrace: a container without CAP_SYS_PTRACE, or another debugger?); have the program call \
                         ttmem.start()"
                .to_owned(),
            scope => format!(
                "the kernel forbids it (kernel.yama.ptrace_scope is {scope}); run as root, or `sysctl kernel.yama.ptrace_scope=0`, \
                 or have the program call ttmem.start()"
            ),
        };
    }
    if output.contains("SIGINT") || output.contains("SIGWINCH") {
        return format!(
            "no thread of it allocated host memory within {} s; try again when it is busy",
            PATIENCE.as_secs()
        );
    }
    let last = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no output");
    format!("the debugger says: {}", last.trim())
}
