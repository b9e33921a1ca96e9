//! `ttmem clean`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use ttmem_ring::RingReader;

use super::{output, rings};
use crate::{Failure, report::shorten, visible::visible_path};

/// Remove the rings of dead processes, and empty folders of runs that are over. Prints what it removed.
///
/// Whether a process is dead is decided by the lock on its ring, never by its process id. The rings of a `ttmem run` that
/// is under way are left to it.
#[derive(Debug, Args)]
pub(super) struct Clean {}

impl Clean {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        // The run may be about to start its program, or to read the ring of one that has just ended.
        let (under_way, over): (Vec<PathBuf>, Vec<PathBuf>) =
            rings::folders()?.into_iter().partition(|folder| is_under_way(folder));
        let mut done = String::new();
        let mut failed = false;
        for path in rings::in_folders(&over)? {
            match clean_ring(&path) {
                Ok(None) => {}
                Ok(Some(whose)) => done += &format!("removed {} ({whose})\n", visible_path(&path)),
                // Somebody was faster.
                Err(_) if !path.exists() => {}
                Err(why) => {
                    failed = true;
                    output::tell(&format!("ttmem: {}: kept: {why}\n", visible_path(&path)));
                }
            }
        }
        for folder in &over {
            for path in ttmem_ring::remove_orphans(folder).unwrap_or_default() {
                done += &format!("removed {} (its ring is gone)\n", visible_path(&path));
            }
        }
        for folder in over.iter().filter(|folder| rings::is_run(folder)) {
            // Beside rings, a run's folder may hold its second name of the library, which a program that still reports may need.
            if rings::in_folders(std::slice::from_ref(folder))?.is_empty() {
                let _ = fs::remove_file(folder.join(crate::launch::LIBRARY));
            }
            if fs::remove_dir(folder).is_ok() {
                done += &format!("removed {}\n", visible_path(folder));
            }
        }
        for folder in under_way {
            done += &format!("left {} to the run that is under way\n", visible_path(&folder));
        }
        output::print(if done.is_empty() && !failed { "nothing to clean\n" } else { &done })?;
        Ok(if failed { super::FAILED.into() } else { ExitCode::SUCCESS })
    }
}

/// Removes the ring if its process is dead; says whose it was.
fn clean_ring(path: &Path) -> Result<Option<String>, String> {
    let ring = RingReader::open(path).map_err(|error| error.to_string())?;
    if ring.is_alive() {
        return Ok(None);
    }
    ttmem_ring::remove_ring(path).map_err(|error| error.to_string())?;
    let header = ring.header();
    Ok(Some(format!("pid {}, {}", header.pid, shorten(&header.command.join(" "), 60))))
}

/// Whether the `ttmem run` that made the folder still runs: its process id is in the folder's name. Another process of that
/// number keeps the folder longer than it need be kept, no more.
fn is_under_way(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let pid = name.split('-').nth(1).and_then(|pid| pid.parse().ok());
    rings::is_run(folder) && pid.and_then(ttmem_ring::process_start).is_some()
}
