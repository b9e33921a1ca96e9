//! The library, the folder of the rings, the kernel and the clock.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use ttmem_ring::{Clock, DEFAULT_RING_BYTES, default_dir, ensure_folder, features, space};

use super::Check;
use crate::{launch, report::bytes};

/// What one process takes at most: ring, stage and lanes, and call sites, which come in steps.
const A_PROCESS: u64 = DEFAULT_RING_BYTES + (6 << 20);

/// Whether libttmem.so is found, and loads in a process of its own.
pub(super) fn library() -> Check {
    const WHAT: &str = "library";
    let path = match launch::find_library(None) {
        Ok(path) => path,
        Err(error) => {
            return Check::wrong(WHAT, error.to_string(), "build it (make build), install it, or set TTMEM_LIBRARY");
        }
    };
    match loaded_version(&path) {
        Ok(version) if version == env!("CARGO_PKG_VERSION") => {
            Check::good(WHAT, format!("{}, version {version}, loads", path.display()))
        }
        Ok(version) => Check::wrong(
            WHAT,
            format!("{} is of version {version}, this command of {}", path.display(), env!("CARGO_PKG_VERSION")),
            "install both from one build, or point TTMEM_LIBRARY at the right one",
        ),
        Err(error) => Check::wrong(
            WHAT,
            format!("{} does not load: {error}", path.display()),
            "it wants glibc 2.34 or later and this machine's architecture; build it here (make build)",
        ),
    }
}

/// By a child: what is wrong with the file must not end us.
fn loaded_version(path: &Path) -> Result<String, String> {
    let output = child("version", path).output().map_err(|error| error.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    let error = said(&output.stderr);
    Err(if error.is_empty() { output.status.to_string() } else { error.trim_start_matches("ttmem: ").to_owned() })
}

/// This command, as the program that loads the library.
pub(super) fn child(work: &str, library: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap_or_else(|_| PathBuf::from("ttmem")));
    command.arg("doctor-child").arg(work).arg(library);
    command
}

/// Whether the folder of the rings is there, or can be made, and is the user's own.
pub(super) fn folder() -> Check {
    const WHAT: &str = "folder";
    let path = default_dir();
    match ensure_folder(&path) {
        Ok(_) => Check::good(WHAT, format!("{} is yours, and closed to others", path.display())),
        Err(error) => Check::wrong(
            WHAT,
            format!("{}: {error}", path.display()),
            "set TTMEM_DIR to a folder of your own, mode 700, on a tmpfs",
        ),
    }
}

/// Whether there is room for rings.
pub(super) fn room() -> Check {
    const WHAT: &str = "room";
    let folder = default_dir();
    // Of a folder that is not there, its parent's.
    let Some(room) = folder.ancestors().find_map(|path| space(path).ok()) else {
        return Check::wrong(WHAT, format!("{}: not known", folder.display()), "set TTMEM_DIR to another folder");
    };
    let found = format!("{} free of {} where {} lies", bytes(room.free), bytes(room.total), folder.display());
    if room.free < A_PROCESS {
        let advice = "make room, in a container with --shm-size, or set TTMEM_DIR; `ttmem clean` removes dead rings";
        Check::wrong(WHAT, format!("{found}; a process takes up to {}", bytes(A_PROCESS)), advice)
    } else if room.free < 8 * A_PROCESS {
        let processes = room.free / A_PROCESS;
        Check::note(
            WHAT,
            format!("{found}: for {processes} processes at once"),
            "in a container, give more by --shm-size",
        )
    } else {
        Check::good(WHAT, found)
    }
}

/// What the kernel must be able to do.
pub(super) fn kernel() -> Vec<Check> {
    const WHAT: &str = "kernel";
    // What is wrong with the folder is said by its own check.
    let Ok(folder) = ensure_folder(&default_dir()) else { return Vec::new() };
    let features = features(&folder);
    let missing = features.iter().filter_map(|feature| {
        let error = feature.tried.as_ref().err()?;
        let advice = if feature.name == "pidfd_open" {
            format!("needs Linux {}; without it, how other processes ended is not always known", feature.since)
        } else {
            format!("needs Linux {}; set TTMEM_DIR to a folder on a tmpfs", feature.since)
        };
        let found = format!("no {}: {error}", feature.name);
        Some(if feature.name == "pidfd_open" {
            Check::note(WHAT, found, advice)
        } else {
            Check::wrong(WHAT, found, advice)
        })
    });
    let missing: Vec<Check> = missing.collect();
    if missing.is_empty() {
        let names: Vec<&str> = features.iter().map(|feature| feature.name).collect();
        return vec![Check::good(WHAT, names.join(", "))];
    }
    missing
}

/// Which clock stamps events.
pub(super) fn clock() -> Check {
    match Clock::detect() {
        Clock::Counter => Check::good("clock", "the processor's counter is invariant, and stamps events"),
        Clock::Monotonic => Check::note(
            "clock",
            "the processor's counter is not invariant, or Linux does not trust it: clock_gettime stamps events",
            "an event takes some 12 ns more; nothing is to be done",
        ),
    }
}
