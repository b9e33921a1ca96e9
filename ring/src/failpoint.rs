//! Failpoints: places where tests stop a thread for ever, to see what a death there leaves behind.
//!
//! They are compiled in with the feature `failpoints` alone, and in no release build: there the feature does nothing.

/// Stops the thread if the variable `TTMEM_FAILPOINT` is `name:n` and this is the nth call (from 1) with this name. The file
/// `TTMEM_FAILPOINT_FILE` is made then.
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
    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let value = std::env::var("TTMEM_FAILPOINT").ok()?;
        let (name, times) = value.split_once(':')?;
        Some((name.to_owned(), times.parse().ok()?))
    });
    let Some((wanted, times)) = wanted else { return };
    if wanted == name && TIMES.fetch_add(1, Ordering::Relaxed) + 1 == *times {
        if let Some(file) = std::env::var_os("TTMEM_FAILPOINT_FILE") {
            let _ = std::fs::write(file, name);
        }
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
    }
}
