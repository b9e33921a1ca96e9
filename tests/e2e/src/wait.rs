//! Waits for what another process does.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Looks until something is found.
///
/// # Panics
/// After a minute.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "no {what}");
        thread::sleep(Duration::from_micros(100));
    }
}
