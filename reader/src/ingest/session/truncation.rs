//! How a session ends whose ring was truncated while it was read.

use super::{Session, Source};

impl Session {
    pub(super) fn has_truncated_ring(&self) -> bool {
        matches!(&self.source, Source::Open(ring) if ring.is_truncated())
    }

    /// Gives the ring up: what was read before stands, and nothing more can come.
    pub(super) fn give_up_ring(&mut self) {
        self.source.close_with(self.counters);
        let left = self.reported().saturating_sub(self.drained()).saturating_sub(self.lost()).max(1);
        self.truncated = Some(left);
        self.trouble = Some(format!("truncated while it was read; {left} or more of its events are lost"));
        self.sites = None;
    }

    /// Whether the ring was truncated while it was read.
    pub fn is_truncated(&self) -> bool {
        self.truncated.is_some()
    }
}
