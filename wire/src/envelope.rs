//! Why a file that lies beside a ring can't be read: by its envelope it is none, or not this ring's.

use std::fmt;

/// A snapshot or a journal that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeError {
    /// What it is, or should be, as a word in a sentence.
    pub what: &'static str,
    /// What is wrong with it.
    pub fault: EnvelopeFault,
}

/// What is wrong with an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeFault {
    /// Not such a file at all.
    NotOne,
    /// A version that this reader does not know.
    Version {
        /// Its version.
        found: u32,
        /// The one that this reader knows.
        known: u32,
    },
    /// It is of another ring.
    OtherRing,
    /// Cut short, or changed since.
    Damaged,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what;
        match self.fault {
            EnvelopeFault::NotOne => write!(f, "not a ttmem {what}"),
            EnvelopeFault::Version { found, known } => {
                write!(f, "{what} format {found}, this ttmem reads {known}: use that of the same release")
            }
            EnvelopeFault::OtherRing => write!(f, "a {what} of another ring"),
            EnvelopeFault::Damaged => write!(f, "a damaged {what}"),
        }
    }
}

impl std::error::Error for EnvelopeError {}
