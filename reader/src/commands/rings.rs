//! The rings of this machine: the default folder, and the folders of runs in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ttmem_ring::discover;

use super::settings::Place;
use crate::Failure;

/// The folders that may hold rings: the one of this place, then those of runs in it.
pub(super) fn folders(place: &Place) -> Vec<PathBuf> {
    let base = place.folder();
    let mut folders = vec![base.clone()];
    if let Ok(entries) = fs::read_dir(&base) {
        let mut runs: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .filter(|path| is_run(path))
            .collect();
        runs.sort();
        folders.extend(runs);
    }
    folders
}

/// Whether the folder was made by `ttmem run`.
pub(super) fn is_run(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("run-"))
}

/// The ring files in these folders.
pub(super) fn in_folders(folders: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut rings = Vec::new();
    for folder in folders {
        rings.extend(discover(folder).map_err(|error| Failure::with(folder, error))?);
    }
    Ok(rings)
}
