//! For tests of what a death leaves: stops a thread at a step of an event's way. Nothing, unless the feature `faults` is on,
//! which no release has.

/// A step. With `faults`, the thread stays here for ever if the variable `TTMEM_FAULT` is `step:n` and this is the nth time
/// that a thread comes by (from 1); the file `TTMEM_FAULT_FILE` is made then.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn fault_at(_step: &str) {}

#[cfg(feature = "faults")]
#[allow(missing_docs, reason = "see above")]
pub fn fault_at(step: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };
    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let fault = std::env::var("TTMEM_FAULT").ok()?;
        let (step, times) = fault.split_once(':')?;
        Some((step.to_owned(), times.parse().ok()?))
    });
    let Some((wanted, times)) = wanted else { return };
    if wanted == step && TIMES.fetch_add(1, Ordering::Relaxed) + 1 == *times {
        if let Some(file) = std::env::var_os("TTMEM_FAULT_FILE") {
            let _ = std::fs::write(file, step);
        }
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    }
}
