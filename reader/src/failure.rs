//! What stops a command: one clear line, and the exit code 2.

use std::{fmt, path::Path};

use crate::visible::visible;

/// What went wrong, where, and what to do.
#[derive(Clone, Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure with this line.
    pub fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }

    /// A failure with a file or folder.
    pub fn with(path: &Path, what: impl fmt::Display) -> Self {
        Self(format!("{}: {what}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(&self.0))
    }
}

impl std::error::Error for Failure {}
