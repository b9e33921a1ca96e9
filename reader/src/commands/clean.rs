//! `ttmem clean`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use ttmem_ring::RingReader;

use super::{output, rings, settings::Place};
use crate::{Failure, launch, report::shorten, visible::visible_path};

/// Remove the rings of dead processes, and empty folders of runs that are over. Prints what it removed.
///
/// Whether a process is dead is decided by the lock on its ring, never by its process id. The rings of a `ttmem run` that
/// is under way are left to it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem clean --dry-run    what would be removed?
  ttmem clean")]
pub(super) struct Clean {
    /// Print what would be removed, and remove nothing.
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

impl Clean {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        // The run may be about to start its program, or to read the ring of one that has just ended.
        let (under_way, over): (Vec<PathBuf>, Vec<PathBuf>) =
            rings::folders(&self.place).into_iter().partition(|folder| is_under_way(folder));
        let mut cleaning = Cleaning { is_dry: self.dry_run, ..Cleaning::default() };
        for path in rings::in_folders(&over)? {
            if let Err(why) = cleaning.ring(&path)
                // Else somebody was faster.
                && path.exists()
            {
                cleaning.failed = true;
                output::tell(&format!("ttmem: {}: kept: {why}\n", visible_path(&path)));
            }
        }
        for folder in &over {
            for path in ttmem_ring::orphans(folder).unwrap_or_default() {
                if self.dry_run || fs::remove_file(&path).is_ok() {
                    cleaning.note(path, " (its ring is gone)");
                }
            }
        }
        for folder in over.iter().filter(|folder| rings::is_run(folder)) {
            cleaning.folder(folder)?;
        }
        let mut done = cleaning.done;
        for folder in under_way {
            let left = if self.dry_run { "would leave" } else { "left" };
            done += &format!("{left} {} to the run that is under way\n", visible_path(&folder));
        }
        if done.is_empty() && !cleaning.failed {
            done = format!("nothing to clean in {}\n", self.place.described());
        }
        output::print(&done)?;
        Ok(if cleaning.failed { super::FAILED.into() } else { ExitCode::SUCCESS })
    }
}

/// What is removed, or would be.
#[derive(Default)]
struct Cleaning {
    is_dry: bool,
    removed: BTreeSet<PathBuf>,
    done: String,
    failed: bool,
}

impl Cleaning {
    /// Removes the ring if its process is dead, with its sidecar files.
    fn ring(&mut self, path: &Path) -> Result<(), String> {
        let ring = RingReader::open(path).map_err(|error| error.to_string())?;
        if ring.is_alive() {
            return Ok(());
        }
        if !self.is_dry {
            ttmem_ring::remove_ring(path).map_err(|error| error.to_string())?;
        }
        let header = ring.header();
        let whose = format!(" (pid {}, {})", header.pid, shorten(&header.command.join(" "), 60));
        self.note(path.to_path_buf(), &whose);
        Ok(())
    }

    /// Removes the folder of a run if nothing is left in it.
    fn folder(&mut self, folder: &Path) -> Result<(), Failure> {
        // Beside rings, a run's folder may hold its second name of the library, which a program that still reports may need.
        if self.is_dry {
            let is_left = |path: PathBuf| {
                let its_ring = |ring: &PathBuf| path.with_extension("").with_extension("") == ring.with_extension("");
                !path.ends_with(launch::LIBRARY) && !self.removed.contains(&path) && !self.removed.iter().any(its_ring)
            };
            let entries = fs::read_dir(folder).map_err(|error| Failure::with(folder, error))?;
            if !entries.filter_map(Result::ok).any(|entry| is_left(entry.path())) {
                self.note(folder.to_path_buf(), "");
            }
            return Ok(());
        }
        if rings::in_folders(&[folder.to_path_buf()])?.is_empty() {
            let _ = fs::remove_file(folder.join(launch::LIBRARY));
        }
        if fs::remove_dir(folder).is_ok() {
            self.note(folder.to_path_buf(), "");
        }
        Ok(())
    }

    fn note(&mut self, path: PathBuf, what: &str) {
        let verb = if self.is_dry { "would remove" } else { "removed" };
        self.done += &format!("{verb} {}{what}\n", visible_path(&path));
        self.removed.insert(path);
    }
}

/// Whether the `ttmem run` that made the folder still runs: its process id is in the folder's name. Another process of that
/// number keeps the folder longer than it need be kept, no more.
fn is_under_way(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let pid = name.split('-').nth(1).and_then(|pid| pid.parse().ok());
    rings::is_run(folder) && pid.and_then(ttmem_ring::process_start).is_some()
}
