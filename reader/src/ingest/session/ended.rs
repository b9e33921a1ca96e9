//! How the process of a ring ended.

use ttmem_ledger::End;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By exit with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It is gone, and nobody can say how.
    Unknown,
    /// Not at all: it stopped tracking, and may run on.
    Stopped,
}

impl From<ttmem_recording::Ended> for Ended {
    fn from(ended: ttmem_recording::Ended) -> Self {
        match ended {
            ttmem_recording::Ended::Code(code) => Self::Code(code),
            ttmem_recording::Ended::Signal(signal) => Self::Signal(signal),
            ttmem_recording::Ended::Unknown => Self::Unknown,
            ttmem_recording::Ended::Stopped => Self::Stopped,
        }
    }
}

impl From<Ended> for ttmem_recording::Ended {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Code(code) => Self::Code(code),
            Ended::Signal(signal) => Self::Signal(signal),
            Ended::Unknown => Self::Unknown,
            Ended::Stopped => Self::Stopped,
        }
    }
}

impl Ended {
    /// What a ledger asks: by itself, or not; or whether its allocations may live on.
    pub(crate) fn end(self) -> Option<End> {
        match self {
            Self::Code(_) => Some(End::Exited),
            Self::Signal(_) | Self::Unknown => Some(End::Killed),
            Self::Stopped => None,
        }
    }
}
