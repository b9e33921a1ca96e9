//! How long the machine itself keeps programs waiting: what it takes away is in every latency, whoever's it is.

use std::{
    thread,
    time::{Duration, Instant},
};

/// A thread that is busy notices each moment in which it does not run.
const LONG: Duration = Duration::from_millis(1);

/// What the machine took from a busy thread on each core.
pub(crate) struct Stalls {
    /// The part of the time that lay in stalls of more than a millisecond.
    pub(crate) share: f64,
    pub(crate) longest: Duration,
}

/// Keeps all cores busy for so long, and looks at the clock.
pub(crate) fn measure(seconds: f64) -> Stalls {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads: Vec<_> = (0..cores).map(|_| thread::spawn(move || one(Duration::from_secs_f64(seconds)))).collect();
    let stalls: Vec<(Duration, Duration)> =
        threads.into_iter().map(|thread| thread.join().expect("it only reads the clock")).collect();
    let stood: Duration = stalls.iter().map(|(stood, _)| *stood).sum();
    let longest = stalls.iter().map(|(_, longest)| *longest).max().unwrap_or_default();
    Stalls { share: stood.as_secs_f64() / seconds / cores as f64, longest }
}

fn one(time: Duration) -> (Duration, Duration) {
    let since = Instant::now();
    let (mut last, mut stood, mut longest) = (since, Duration::ZERO, Duration::ZERO);
    while last - since < time {
        let now = Instant::now();
        let gap = now - last;
        if gap >= LONG {
            stood += gap;
        }
        longest = longest.max(gap);
        last = now;
    }
    (stood, longest)
}
