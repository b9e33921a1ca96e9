//! Signals for processes that are no children of the test.

use std::{fmt::Display, process::Command};

/// Sends one, named as `kill` names it: "KILL".
///
/// # Panics
/// If it can't be sent.
pub fn signal(name: &str, pid: impl Display) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().expect("kill");
    assert!(status.success(), "kill -{name} {pid}: {status}");
}
