//! For tests of what a death leaves: stops the flusher at a step of a fold. Nothing, unless the feature is on, which no
//! release has.

/// A step of a fold. With `fold-faults`, the flusher stays here for ever if `TTMEM_FAULT` is `step:n` and it comes by for
/// the nth time (from 1); the file `TTMEM_FAULT_FILE` is made then.
#[cfg(not(feature = "fold-faults"))]
#[inline(always)]
pub(crate) fn at(_step: &str) {}

#[cfg(feature = "fold-faults")]
pub(crate) fn at(step: &str) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let Some((wanted, times)) = std::env::var("TTMEM_FAULT")
        .ok()
        .and_then(|fault| fault.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())))
    else {
        return;
    };
    if wanted == step && TIMES.fetch_add(1, Ordering::Relaxed) + 1 == times.parse().unwrap_or(0) {
        if let Some(file) = std::env::var_os("TTMEM_FAULT_FILE") {
            let _ = std::fs::write(file, step);
        }
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    }
}
