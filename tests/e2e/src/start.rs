//! How long a process takes from its start to its end, with and without the library.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{Run, c_program};

/// Median times of `rounds` runs of a program that does nothing, by turns plain and preloaded.
///
/// # Panics
/// If one fails.
pub fn median_starts(rounds: usize, rings: &Path) -> (Duration, Duration) {
    let program = c_program("idle.c");
    let time = |preload: bool| {
        let run = Run::new(&program);
        let run = if preload { run.preloaded(rings) } else { run };
        let since = Instant::now();
        let status = run.start().wait().expect("waiting for a child");
        assert!(status.success(), "{status}");
        since.elapsed()
    };
    // The first of each fills caches.
    time(false);
    time(true);
    let (mut plain, mut preloaded): (Vec<_>, Vec<_>) = (0..rounds).map(|_| (time(false), time(true))).unzip();
    plain.sort();
    preloaded.sort();
    (plain[rounds / 2], preloaded[rounds / 2])
}
