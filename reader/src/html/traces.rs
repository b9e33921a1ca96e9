//! What is drawn from changes alone: it needs no ledger, and so may be on another thread than that.

use ttmem_ledger::{Change, Ledger};

use super::{
    lives::{Lives, Noted},
    timeline::Timeline,
};

/// Of one process.
#[derive(Clone, Debug, Default)]
pub(super) struct Traces {
    pub(super) line: Timeline,
    pub(super) lives: Lives,
}

impl Traces {
    /// What an event changed.
    pub(super) fn note(&mut self, changes: &[Change], noted: &Noted) {
        self.line.note(changes, noted.ticks);
        self.lives.note(changes, self.line.elapsed(), noted);
    }

    /// No event comes any more.
    pub(super) fn end(&mut self, ledger: &Ledger) {
        self.lives.end(ledger);
    }
}
