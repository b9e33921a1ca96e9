//! Starts a program with the library preloaded, and passes on what signals and exit codes say.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::{ffi::OsStrExt, fs::symlink, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::{Ended, Failure};

const LIBRARY: &str = "libttmem.so";

/// Finds libttmem.so: `TTMEM_LIBRARY`, beside the command, or where an installation has it.
pub(crate) fn find_library() -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os("TTMEM_LIBRARY").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        return match path.canonicalize() {
            Ok(path) if path.is_file() => Ok(path),
            _ => Err(Failure::with(&path, "TTMEM_LIBRARY names no file; give the path of libttmem.so")),
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

/// The value of LD_PRELOAD: the library, then what the user had. A path with a separator in it cannot be preloaded, so
/// such a library gets a second name in the run's own folder.
pub(crate) fn preload(library: &Path, folder: &Path) -> Result<OsString, Failure> {
    let separates = |byte: &u8| matches!(byte, b' ' | b':' | b'\t' | b'\n');
    let mut value = if library.as_os_str().as_bytes().iter().any(separates) {
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

/// Starts the command, its standard streams untouched.
pub(crate) fn start(command: &[OsString], preload: &OsStr, folder: &Path) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program).args(arguments).env("LD_PRELOAD", preload).env("TTMEM_DIR", folder).spawn()
}

/// Signals while a child runs: those of the terminal reach the child by themselves and must not end us; those that are sent
/// to us are passed on. Handlers, not "ignore": exec resets them for the child.
pub(crate) struct Signals {
    terminate: Arc<AtomicBool>,
    hang_up: Arc<AtomicBool>,
}

impl Signals {
    /// Takes the signals over.
    pub(crate) fn take() -> io::Result<Self> {
        let flag = |signal| {
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal, Arc::clone(&flag)).map(|_| flag)
        };
        flag(SIGINT)?;
        flag(SIGQUIT)?;
        Ok(Self { terminate: flag(SIGTERM)?, hang_up: flag(SIGHUP)? })
    }

    /// Waits for the child.
    pub(crate) fn wait(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let mut nap = Duration::from_micros(200);
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            for (flag, signal) in [(&self.terminate, SIGTERM), (&self.hang_up, SIGHUP)] {
                if flag.swap(false, Ordering::Relaxed) {
                    ttmem_ring::send_signal(child.id(), signal);
                }
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(5));
        }
    }
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
        Ended::Unknown => 1,
    }
}
