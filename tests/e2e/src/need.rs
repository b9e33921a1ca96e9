//! Tests that cannot run everywhere.

use std::{
    env,
    io::{self, Write},
    os::unix::fs::MetadataExt,
};

/// Says that the rest of a test is not run, and why; the caller returns. With `TTMEM_REQUIRE_ALL=1` the test fails instead.
///
/// # Panics
/// With `TTMEM_REQUIRE_ALL=1`.
pub fn skip(reason: &str) {
    assert!(env::var_os("TTMEM_REQUIRE_ALL").is_none_or(|all| all != "1"), "cannot run: {reason}");
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not `eprintln!`, which the test harness keeps to itself when a test passes; and on a line of its own, whatever the
    // harness has begun to write.
    let _ = writeln!(io::stderr(), "\nSKIPPED: {name}: {reason}");
}

/// Whether this test runs as root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
