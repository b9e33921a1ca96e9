//! Finds ring files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The ending of a ring file's name.
pub const RING_EXTENSION: &str = "ring";

/// The ring files in `folder`, by name. A folder that does not exist holds none.
///
/// # Errors
/// Whatever else keeps the folder from being read.
pub fn discover(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut rings = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == RING_EXTENSION) {
            rings.push(path);
        }
    }
    rings.sort();
    Ok(rings)
}
