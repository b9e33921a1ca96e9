//! What a session answers.

use std::path::Path;

use ttmem_ledger::Ledger;
use ttmem_ring::{ClockMap, Counters};
use ttmem_wire::Header;

use super::{Ended, Session};
use crate::{Account, Counts, Mark, Tell, Told, ingest::source::Source};

impl Session {
    /// How the process ended; `None` while it runs.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// The first page of the ring.
    pub fn header(&self) -> &Header {
        self.source.header()
    }

    /// Where the ring is, or was.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// From the ring's ticks to time.
    pub fn clock(&self) -> ClockMap {
        self.source.clock()
    }

    /// The time stamp of what came last.
    pub(crate) fn latest_ticks(&self) -> u64 {
        self.latest_ticks
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        self.account.ledger()
    }

    /// What its events add up to.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The marks so far.
    pub fn marks(&self) -> &[Mark] {
        self.account.marks()
    }

    /// Events that were reported in all.
    pub fn reported(&self) -> u64 {
        self.counters().reported()
    }

    /// Events that were got out: by this session, and by other readers.
    pub fn drained(&self) -> u64 {
        self.drained.saturating_add(self.restored).saturating_add(self.taken_elsewhere())
    }

    /// Of these, events that came out of a snapshot: they are in this ledger, and were not seen one by one.
    pub fn restored(&self) -> u64 {
        self.restored
    }

    /// Why the checkpoint was not used.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Of these, events that other readers took and that are in no checkpoint: they are not in this ledger.
    pub fn taken_elsewhere(&self) -> u64 {
        let missed = match &self.source {
            Source::Open(ring) => ring.missed(),
            Source::Closed(_) => self.missed,
        };
        let missed = missed.saturating_sub(self.missed_at_attach);
        self.taken_before.saturating_add(missed)
    }

    /// Events that are lost for ever: never written, half written, or unreadable.
    pub fn lost(&self) -> u64 {
        let unwritten = self.recovery.half_written.saturating_add(self.recovery.impossible);
        self.counters().dropped().saturating_add(unwritten).saturating_add(self.truncated.unwrap_or(0))
    }

    /// The ring's own counts.
    pub fn counters(&self) -> Counters {
        self.source.counters()
    }
}

impl Tell for Session {
    fn told(&self) -> Told<'_> {
        let header = self.header();
        Told {
            pid: header.pid,
            command: &header.command,
            realtime_start_ns: header.realtime_start_ns,
            ring_id: header.ring_id,
            library_version: &header.producer,
            counts: Counts {
                reported: self.reported(),
                drained: self.drained(),
                drained_elsewhere: self.taken_elsewhere(),
                restored: self.restored,
                lost: self.lost(),
                pretended: self.counters().pretended,
            },
            is_over: self.is_over(),
            ended: self.ended,
            clock: self.clock(),
            account: &self.account,
            cut_after: None,
        }
    }
}
