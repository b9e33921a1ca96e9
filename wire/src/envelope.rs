//! Why a file that lies beside a ring can't be read: by its envelope it is none, or not this ring's.

use std::fmt;

/// What is wrong with the envelope of a snapshot or a journal. `what` is its name in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Not such a file at all.
    NotOne {
        /// What it should have been.
        what: &'static str,
    },
    /// A version that this reader does not know.
    Version {
        /// What it is.
        what: &'static str,
        /// Its version.
        found: u32,
        /// The one that this reader knows.
        known: u32,
    },
    /// It is of another ring.
    OtherRing {
        /// What it is.
        what: &'static str,
    },
    /// Cut short, or changed since.
    Damaged {
        /// What it is.
        what: &'static str,
    },
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOne { what } => write!(f, "not a ttmem {what}"),
            Self::Version { what, found, known } => {
                write!(f, "{what} format {found}, this ttmem reads {known}: use that of the same release")
            }
            Self::OtherRing { what } => write!(f, "a {what} of another ring"),
            Self::Damaged { what } => write!(f, "a damaged {what}"),
        }
    }
}

impl std::error::Error for EnvelopeError {}
