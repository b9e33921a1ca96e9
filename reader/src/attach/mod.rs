//! Brings the library into a process that runs, and starts it there: by gdb, as memray does.

mod target;

use std::{
    env,
    ffi::OsStr,
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
/// The most that gdb needs besides.
const LIMIT: Duration = Duration::from_secs(60);
/// What the script prints before its result.
const DONE: &str = "ttmem-done:";
const REFUSED: &str = "ttmem-dlopen:";

/// Starts tracking in the process, with its rings in `folder`.
///
/// # Errors
/// What forbids it, and what to do.
pub(crate) fn start(target: &Target, library: &Path, folder: &Path) -> Result<(), Failure> {
    call_in(target, library, folder, "ttmem_start", "($text+1024)")
}

/// Stops it, where no ring was made that could carry the wish.
///
/// # Errors
/// As for [`start`].
pub(crate) fn stop(target: &Target, library: &Path, folder: &Path) -> Result<(), Failure> {
    call_in(target, library, folder, "ttmem_stop", "0")
}

fn call_in(target: &Target, library: &Path, folder: &Path, function: &str, argument: &str) -> Result<(), Failure> {
    let gdb = find_gdb()?;
    let script = script(target, [&c_string(library)?, &c_string(folder)?], function, argument)?;
    let [script_path, ending_path, output_path] =
        ["attach.gdb", "detach.gdb", "attach.log"].map(|name| folder.join(name));
    for (path, text) in [(&script_path, script), (&ending_path, ending())] {
        fs::write(path, text).map_err(|error| Failure::with(path, error))?;
    }
    let output = File::create(&output_path).map_err(|error| Failure::with(&output_path, error))?;
    let mut command = Command::new(gdb);
    command
        .args(["-nx", "-q", "-batch", "-iex", "set auto-solib-add off", "-iex", "set debuginfod enabled off", "-p"])
        .arg(target.pid().to_string())
        .args([OsStr::new("-x"), script_path.as_os_str(), OsStr::new("-x"), ending_path.as_os_str()])
        .env_remove("LD_PRELOAD")
        .stdin(Stdio::null());
    let ended = run(command, output);
    let output = fs::read(&output_path).unwrap_or_default();
    for path in [&script_path, &ending_path, &output_path] {
        let _ = fs::remove_file(path);
    }
    ended?;
    let output = String::from_utf8_lossy(&output);
    let value = |name: &str| output.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    match (value(DONE), value(REFUSED)) {
        (Some(result), _) if function == "ttmem_stop" || result != "0" => Ok(()),
        (Some(_), _) => {
            Err(failure(target, "the library is off there: TTMEM_DISABLE or TT_ALLOC_TRACKING_ENABLED=0 is set"))
        }
        (None, Some(why)) => Err(failure(target, &format!("its dynamic linker refuses {}: {why}", library.display()))),
        (None, None) if !target.runs() => Err(failure(target, "it has ended")),
        (None, None) => Err(failure(target, &why_not(&output))),
    }
}

fn failure(target: &Target, why: &str) -> Failure {
    Failure::new(format!("attach {}: {why}", target.pid()))
}

fn find_gdb() -> Result<PathBuf, Failure> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).map(|folder| folder.join("gdb")).find(|path| path.is_file());
    found.ok_or_else(|| {
        Failure::new("attach: gdb is not on PATH; install it (apt install gdb), or have the program call ttmem.start()")
    })
}

/// Longer paths have no room where the script puts them.
const LONGEST_PATH: usize = 1000;

/// A path as a C string of gdb's.
fn c_string(path: &Path) -> Result<String, Failure> {
    let is_odd = |letter: char| letter.is_control() || "\"\\".contains(letter);
    let text = path.to_str().filter(|text| text.len() <= LONGEST_PATH && !text.contains(is_odd));
    text.map(|text| format!("\"{text}\"")).ok_or_else(|| {
        Failure::with(path, "attach: a path that is so long, or has quotes in it, cannot be given to gdb")
    })
}

/// Where a thread that has no lock of the C library is found. One that sleeps in a system call has none; else the first thread is taken
/// that comes to the entry of malloc or one of its like, since one that is inside them, or inside dlopen, may hold their locks.
fn safe_place(sleeps: bool) -> String {
    if sleeps {
        return "set $safe = 1\n".to_owned();
    }
    let stops = ["malloc", "calloc", "realloc", "free"];
    let stops: String =
        stops.iter().map(|name| format!("break {name}\ncommands\nsilent\nset $safe = 1\nend\n")).collect();
    format!("set $safe = 0\n{stops}continue\ndelete\n")
}

/// The registers that a call may change; the last tells the kernel whether a system call is to go on.
const REGISTERS: [&str; 12] = ["rip", "rsp", "rdi", "rsi", "rdx", "rcx", "r8", "r9", "r10", "r11", "rax", "orig_rax"];

/// What gdb runs in any case, whatever became of the script.
fn ending() -> String {
    let restore: String = REGISTERS.iter().map(|name| format!("set ${name} = $old_{name}\n")).collect();
    format!("delete\nif $saved\neval \"thread %d\", $caller\n{restore}end\ndetach\n")
}

/// Calls dlopen, dlsym and the function on a thread, by its general registers alone, and puts them back: where a processor has more
/// state than gdb knows (AMX, with gdb 13), its own calls fail. By the ABI no other register is in use at these places. The calls
/// return to the program's entry point, where nobody comes any more. Paths lie on the thread's stack, below what it uses.
fn script(target: &Target, [library, folder]: [&str; 2], function: &str, argument: &str) -> Result<String, Failure> {
    let entry = target.entry().ok_or_else(|| failure(target, "its entry point cannot be read in /proc"))?;
    let save: String = REGISTERS.iter().map(|name| format!("set $old_{name} = ${name}\n")).collect();
    Ok(format!(
        "set confirm off
set pagination off
set breakpoint pending off
handle SIGTRAP nopass
sharedlibrary libc[.-]
sharedlibrary libdl[.-]
set $dlopen = (unsigned long)&dlopen
set $dlsym = (unsigned long)&dlsym
set $dlerror = (unsigned long)&dlerror
define ttmem_call
set $rdi = $arg1
set $rsi = $arg2
set $rax = 0
set $rsp = $text - 2056
set {{unsigned long}}$rsp = {entry:#x}
set $rip = $arg0
continue
end
set $saved = 0
{safe}if $safe
{save}set $caller = $_thread
set $saved = 1
set $orig_rax = -1
set $text = ((unsigned long)$rsp - 4096) & ~15
set {{char[{library_bytes}]}}$text = {library}
set {{char[{folder_bytes}]}}($text + 1024) = {folder}
set {{char[{function_bytes}]}}($text + 2048) = \"{function}\"
eval \"break *{entry:#x} thread %d\", $caller
ttmem_call $dlopen $text {now_for_all}
set $library = $rax
if $library
ttmem_call $dlsym $library ($text+2048)
set $function = $rax
end
if $library && $function
ttmem_call $function {argument} 0
printf \"{DONE} %d\\n\", (int)($rax & 255)
else
ttmem_call $dlerror 0 0
printf \"{REFUSED} %s\\n\", (char *)$rax
end
end
",
        safe = safe_place(target.sleeps()),
        now_for_all = libc::RTLD_NOW | libc::RTLD_GLOBAL,
        library_bytes = library.len() - 1,
        folder_bytes = folder.len() - 1,
        function_bytes = function.len() + 1,
    ))
}

/// Runs gdb to its end. Where the process does not come to a place in time, gdb is interrupted: it stops the
/// process, runs the rest of the script and lets go. It is never killed, since its breakpoints would stay.
fn run(mut command: Command, output: File) -> Result<(), Failure> {
    let gdb = |error| Failure::new(format!("attach: gdb: {error}"));
    let errors = output.try_clone().map_err(gdb)?;
    // In a group of its own: ^C on the terminal is for us.
    let mut child = command.stdout(output).stderr(errors).process_group(0).spawn().map_err(gdb)?;
    let since = Instant::now();
    let mut interrupted = false;
    while child.try_wait().map_err(gdb)?.is_none() {
        if since.elapsed() > PATIENCE && !interrupted {
            interrupted = true;
            ttmem_ring::send_signal(child.id(), SIGINT);
        }
        if since.elapsed() > LIMIT {
            return Err(Failure::new(
                "attach: gdb does not come to an end; is the process stopped, or under another debugger?",
            ));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The reason in what gdb printed.
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
    if output.contains("SIGINT") {
        return format!(
            "no thread of it allocated host memory within {} s; try again when it is busy",
            PATIENCE.as_secs()
        );
    }
    let last = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no output");
    format!("gdb says: {}", last.trim())
}
