//! Failpoints: places where tests stop a thread, for ever to see what a death there leaves behind, or for a while.
//!
//! They are compiled in with the feature `failpoints` alone, and in no release build: there the feature does nothing.

/// Stops the thread if the variable `TTMEM_FAILPOINT` is `name:n` and this is the nth call (from 1) with this name; with `name:n:ms` for so
/// many milliseconds. The file `TTMEM_FAILPOINT_FILE` is made then.
#[cfg(not(all(feature = "failpoints", debug_assertions)))]
#[inline(always)]
pub fn failpoint(_name: &str) {}

#[cfg(all(feature = "failpoints", debug_assertions))]
#[allow(missing_docs, reason = "see above")]
pub fn failpoint(name: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };
    use std::time::Duration;
    static WANTED: OnceLock<Option<(String, u64, Option<Duration>)>> = OnceLock::new();
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let value = std::env::var("TTMEM_FAILPOINT").ok()?;
        let (name, rest) = value.split_once(':')?;
        let (times, pause) = rest.split_once(':').map_or((rest, None), |(times, ms)| (times, Some(ms)));
        Some((name.to_owned(), times.parse().ok()?, pause.and_then(|ms| Some(Duration::from_millis(ms.parse().ok()?)))))
    });
    let Some((wanted, times, pause)) = wanted else { return };
    if wanted == name && TIMES.fetch_add(1, Ordering::Relaxed) + 1 == *times {
        if let Some(file) = std::env::var_os("TTMEM_FAILPOINT_FILE") {
            let _ = std::fs::write(file, name);
        }
        if let Some(pause) = pause {
            return std::thread::sleep(*pause);
        }
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}
