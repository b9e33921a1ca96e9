//! Starts a program with the library preloaded, and passes on what signals and exit codes say.

use std::{
    cell::RefCell,
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{ffi::OsStrExt, fs::symlink, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::{SignalsInfo, exfiltrator::WithOrigin},
    low_level::siginfo::Cause,
};

use crate::{Ended, Failure};

/// The library's name.
pub(crate) const LIBRARY: &str = "libttmem.so";

/// Finds libttmem.so: the one that an option names, `TTMEM_LIBRARY`, beside the command, or where an installation has it.
pub(crate) fn find_library(option: Option<&Path>) -> Result<PathBuf, Failure> {
    let variable = env::var_os("TTMEM_LIBRARY").filter(|path| !path.is_empty()).map(PathBuf::from);
    let named = option.map(|path| ("--library", path)).or(variable.as_deref().map(|path| ("TTMEM_LIBRARY", path)));
    if let Some((name, path)) = named {
        return match path.canonicalize() {
            Ok(path) if path.is_file() => Ok(path),
            _ => Err(Failure::with(path, format!("{name} names no file; give the path of libttmem.so"))),
        };
    }
    let command = env::current_exe().map_err(|error| Failure::new(format!("own path: {error}")))?;
    let folder = command.parent().unwrap_or(Path::new("."));
    let places = [folder.to_path_buf(), folder.join("../lib"), folder.join("../lib/ttmem")];
    places.iter().map(|place| place.join(LIBRARY)).find_map(|path| path.canonicalize().ok()).ok_or_else(|| {
        Failure::new(format!(
            "{LIBRARY} is neither beside {} nor in ../lib; build it (make build) or set TTMEM_LIBRARY",
            command.display()
        ))
    })
}

/// The value of LD_PRELOAD: the library, then what the user had. A path with a separator in it (or `$`, which the loader
/// expands) cannot be preloaded, so such a library gets a second name in the run's own folder.
pub(crate) fn preload(library: &Path, folder: &Path) -> Result<OsString, Failure> {
    let separates = |byte: &u8| matches!(byte, b' ' | b':' | b'\t' | b'\n' | b'$');
    let is_broken = |path: &Path| path.as_os_str().as_bytes().iter().any(separates);
    let mut value = if is_broken(library) {
        if is_broken(folder) {
            return Err(Failure::with(
                folder,
                "a space, ':' or '$' in the path, as in the library's: LD_PRELOAD takes neither; set TTMEM_DIR to another",
            ));
        }
        let link = folder.join(LIBRARY);
        symlink(library, &link).map_err(|error| Failure::with(&link, error))?;
        link.into_os_string()
    } else {
        library.as_os_str().to_owned()
    };
    if let Some(users) = env::var_os("LD_PRELOAD").filter(|users| !users.is_empty()) {
        value.push(":");
        value.push(users);
    }
    Ok(value)
}

/// Starts the command with these variables, its standard streams untouched. `keeps_all`: a recording has no use for checkpoints.
pub(crate) fn start(
    command: &[OsString],
    variables: &[(&'static str, OsString)],
    preload: &OsStr,
    folder: &Path,
    keeps_all: bool,
) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env("LD_PRELOAD", preload)
        .env("TTMEM_DIR", folder);
    if keeps_all {
        command.env("TTMEM_FOLD", "0");
    }
    command.spawn()
}

/// Signals while a child runs: those of the terminal reach the child by themselves and must not end us; those that are sent
/// to us alone are passed on. Handlers, not "ignore": exec resets them for the child.
pub(crate) struct Signals {
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
    hang_up: Arc<AtomicBool>,
    /// Where interrupts came from.
    interrupts: RefCell<SignalsInfo<WithOrigin>>,
    /// Whether any of them was passed on.
    has_passed: AtomicBool,
}

impl Signals {
    /// Takes the signals over. One that we were started to ignore (as `nohup` does) stays ignored, for the child too.
    pub(crate) fn take() -> io::Result<Self> {
        let ignored = fs::read_to_string("/proc/self/status").map_or(0, |status| ignored_signals(&status));
        let flag = |signal: i32| {
            let flag = Arc::new(AtomicBool::new(false));
            if ignored >> (signal - 1) & 1 == 0 {
                signal_hook::flag::register(signal, Arc::clone(&flag))?;
            }
            io::Result::Ok(flag)
        };
        flag(SIGQUIT)?;
        // Before the flag, which says that there is one.
        let interrupts = if ignored >> (SIGINT - 1) & 1 == 0 { &[SIGINT][..] } else { &[] };
        let interrupts = RefCell::new(SignalsInfo::new(interrupts)?);
        let [interrupt, terminate, hang_up] = [flag(SIGINT)?, flag(SIGTERM)?, flag(SIGHUP)?];
        Ok(Self { interrupt, terminate, hang_up, interrupts, has_passed: AtomicBool::new(false) })
    }

    /// Whether a process sent an interrupt. The kernel sends one for the terminal's ^C, which reaches the child too.
    fn was_interrupted_alone(&self) -> bool {
        self.interrupts.borrow_mut().pending().any(|origin| origin.cause != Cause::Kernel)
    }

    /// Whether somebody wants an end: of the command, or of the wait for processes that outlive it.
    pub(crate) fn has_come(&self) -> bool {
        let flags = [&*self.interrupt, &*self.terminate, &*self.hang_up, &self.has_passed];
        flags.into_iter().any(|flag| flag.load(Ordering::Relaxed))
    }

    /// Waits for the child.
    pub(crate) fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            for (flag, signal) in [(&self.interrupt, SIGINT), (&self.terminate, SIGTERM), (&self.hang_up, SIGHUP)] {
                if flag.swap(false, Ordering::Relaxed) {
                    self.has_passed.store(true, Ordering::Relaxed);
                    if signal != SIGINT || self.was_interrupted_alone() {
                        ttmem_ring::send_signal(child.id(), signal);
                    }
                }
            }
            // Short: a signal may have come just before the sleep.
            ttmem_ring::sleep_while_it_runs(child.id(), Duration::from_millis(100));
        }
    }
}

/// The set of ignored signals in `/proc/<pid>/status`, signal 1 as the lowest bit.
fn ignored_signals(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

/// How a child ended, as its parent was told.
pub(crate) fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Unknown,
    }
}

/// The exit code that stands for it.
pub(crate) fn exit_code(ended: Ended) -> u8 {
    match ended {
        Ended::Code(code) => code as u8,
        Ended::Signal(signal) => (128 + signal) as u8,
        Ended::Unknown | Ended::Stopped => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_as_bits() {
        let status = "Name:\tttmem\nSigBlk:\t00000000000000ff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert_eq!(ignored_signals(status), 1 | 1 << 12);
        assert_eq!(ignored_signals("nothing of the kind"), 0);
    }

    #[test]
    fn a_path_that_ld_preload_cannot_take_gets_another_name_or_is_refused() {
        let folder = env::temp_dir().join(format!("ttmem-launch-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let value = preload(Path::new("/some where/libttmem.so"), &folder).unwrap();
        let link = folder.join(LIBRARY);
        assert!(value.as_bytes().starts_with(link.as_os_str().as_bytes()));
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("/some where/libttmem.so"));
        assert!(preload(Path::new("/some$where/libttmem.so"), Path::new("/a b")).is_err());
        assert!(preload(Path::new("/lib/libttmem.so"), Path::new("/a b")).is_ok());
        fs::remove_dir_all(&folder).unwrap();
    }
}
