//! Files that events are read from, as the user names them.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use ttmem_ring::{RingReader, discover};

use super::{output, rings, settings::Place};
pub(super) use crate::replay::FileKind as Kind;
use crate::{
    Failure, Target, Tell,
    replay::{Input, read_ring, replay},
};

/// Looks at the first bytes of a file.
pub(super) fn kind(path: &Path) -> Result<Kind, Failure> {
    Kind::of(path)
}

/// The processes of a recording or a ring.
pub(super) fn read(path: &Path, live_at_marks: bool) -> Result<Vec<Box<dyn Tell>>, Failure> {
    let kind = kind(path)?;
    if let Some(failure) = kind.refusal(path) {
        return Err(failure);
    }
    if kind == Kind::Recording {
        let recording = replay(&Input::open(path, live_at_marks)?)?;
        return Ok(recording.processes.into_iter().map(|process| Box::new(process) as Box<dyn Tell>).collect());
    }
    let session = read_ring(path, live_at_marks, &mut |_| ())?;
    if let Some(trouble) = session.trouble() {
        output::tell(&format!("ttmem: {}\n", Failure::with(path, trouble)));
    }
    Ok(vec![Box::new(session)])
}

/// The recordings and rings that the user named: files, folders of such, and process ids. Skips sidecar files where there is
/// anything else, since `report DIR/*` names those too. Prints a line for each name that stands for nothing.
///
/// # Errors
/// If every name stands for nothing.
pub(super) fn named(names: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let (mut found, mut refused, mut sidecars) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let stands_for = match pid(name) {
            _ if name.is_dir() => in_folder(name),
            Some(pid) if !name.exists() => of_process(pid),
            // What is wrong with a file is found when it is read.
            _ => match Kind::of(name) {
                Ok(kind @ Kind::Sidecar) => {
                    sidecars.extend(kind.refusal(name));
                    continue;
                }
                _ => Ok(vec![name.clone()]),
            },
        };
        match stands_for {
            Ok(files) => found.extend(files),
            Err(why) => refused.push(why),
        }
    }
    if found.is_empty() {
        let last = refused.pop().or_else(|| sidecars.into_iter().next());
        refused.iter().for_each(|why| output::tell(&format!("ttmem: {why}\n")));
        return last.map_or(Ok(found), Err);
    }
    refused.iter().for_each(|why| output::tell(&format!("ttmem: {why}\n")));
    Ok(found)
}

/// The recordings and rings in a folder, and the rings of the runs in it.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::with(folder, error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() && rings::is_run(&path) {
            files.extend(discover(&path).unwrap_or_default());
        } else if Kind::of(&path).is_ok_and(|kind| matches!(kind, Kind::Recording | Kind::Ring)) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::with(folder, "no recording and no ring in this folder; `ttmem ls` lists the rings"));
    }
    Ok(files)
}

/// The process id that a name can be.
fn pid(name: &Path) -> Option<u32> {
    name.to_str()?.parse().ok()
}

/// The rings of a process: of the one that runs, else of those that had its id.
fn of_process(pid: u32) -> Result<Vec<PathBuf>, Failure> {
    let mut folders = rings::folders(&Place::default());
    folders.extend(folder_of(pid).filter(|folder| !folders.contains(folder)));
    let mut rings = Target::Process { pid, folders }.rings();
    let is_alive = |path: &PathBuf| RingReader::open(path).is_ok_and(|ring| ring.is_alive());
    if rings.iter().any(is_alive) {
        rings.retain(is_alive);
    }
    match rings[..] {
        [] if Path::new("/proc").join(pid.to_string()).exists() => Err(Failure::new(format!(
            "process {pid} has no ring: it runs without libttmem.so, or has used no device memory yet; \
             `ttmem ls` lists the processes that have one"
        ))),
        [] => Err(Failure::new(format!(
            "{pid}: no such file, and no process of this id has a ring; `ttmem ls` lists the processes that have one"
        ))),
        _ => Ok(rings),
    }
}

/// Where a running process has its rings, if its environment names the folder.
fn folder_of(pid: u32) -> Option<PathBuf> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = environment.split(|&byte| byte == 0).find_map(|variable| variable.strip_prefix(b"TTMEM_DIR="))?;
    (!value.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(value)))
}
