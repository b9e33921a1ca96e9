//! `ttmem clean`.

use std::{fs, process::ExitCode};

use clap::Args;
use ttmem_ring::RingReader;

use super::rings;
use crate::Failure;

/// Removes the rings of dead processes, and empty folders of runs that are over. Says what it removed.
///
/// Whether a process is dead is decided by the lock on its ring, never by its process id.
#[derive(Debug, Args)]
pub(super) struct Clean {}

impl Clean {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let folders = rings::folders()?;
        let mut removed = 0;
        for path in rings::in_folders(&folders)? {
            let ring = match RingReader::open(&path) {
                Ok(ring) => ring,
                Err(error) => {
                    anstream::eprintln!("ttmem: {}: kept: {error}", path.display());
                    continue;
                }
            };
            if ring.is_alive() {
                continue;
            }
            fs::remove_file(&path).map_err(|error| Failure::with(&path, error))?;
            removed += 1;
            let header = ring.header();
            anstream::println!("removed {} (pid {}, {})", path.display(), header.pid, header.command.join(" "));
        }
        for folder in folders.iter().filter(|folder| rings::is_run(folder)) {
            // The run itself may be about to start its program: its folder stays as long as it lives.
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let pid = name.split('-').nth(1).and_then(|pid| pid.parse().ok()).unwrap_or(0);
            if ttmem_ring::process_start(pid).is_none() && fs::remove_dir(folder).is_ok() {
                anstream::println!("removed {}", folder.display());
            }
        }
        if removed == 0 {
            anstream::println!("nothing to clean");
        }
        Ok(ExitCode::SUCCESS)
    }
}
