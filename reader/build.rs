//! The version that `ttmem --version` prints: that of the workspace, and the commit, where git knows one.

use std::{env, process::Command};

fn main() {
    // Where one of these changed, the command is linked anew anyway. A commit alone changes nothing in it.
    for part in ["src", "../wire", "../ring", "../ledger", "../recording", "../caller", "../Cargo.lock"] {
        println!("cargo::rerun-if-changed={part}");
    }
    println!("cargo::rerun-if-env-changed=TTMEM_COMMIT");
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets this");
    let commit = env::var("TTMEM_COMMIT").ok().filter(|commit| !commit.is_empty()).or_else(commit);
    let suffix = commit.map_or_else(String::new, |commit| format!(" ({commit})"));
    println!("cargo::rustc-env=TTMEM_VERSION={version}{suffix}");
}

/// The short hash of HEAD, with `-dirty` if the work tree differs from it. None in a source archive.
fn commit() -> Option<String> {
    let arguments = ["describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"];
    let output = Command::new("git").args(arguments).output().ok()?;
    let hash = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !hash.is_empty()).then_some(hash)
}
