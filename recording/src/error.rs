//! Why a recording cannot be read.

use crate::chunk::FORMAT_VERSION;

/// Why a recording cannot be read, or not further. A recording that was cut short is no error.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordingError {
    /// The source of the bytes failed.
    Io(std::io::Error),
    /// The bytes do not begin as a recording does.
    NotARecording,
    /// A newer ttmem wrote it.
    Newer {
        /// The version of the format that it is written in.
        version: u32,
    },
    /// What lies in the file is not what was written.
    Damaged {
        /// Where the damaged block begins, in bytes from the beginning of the file.
        at: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl std::fmt::Display for RecordingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotARecording => f.write_str("not a ttmem recording"),
            Self::Newer { version } => {
                write!(f, "recording format {version}, this ttmem reads {FORMAT_VERSION}: use a newer ttmem")
            }
            Self::Damaged { at, why } => write!(f, "damaged at byte {at}: {why}"),
        }
    }
}

impl std::error::Error for RecordingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<std::io::Error> for RecordingError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
