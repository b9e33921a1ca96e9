//! How a session begins with the checkpoint of its ring, and goes on from there when it was overtaken.

use std::ops::Range;

use ttmem_ring::{JournalReader, SidecarError, checkpoint_end, journal_of, read_checkpoint};
use ttmem_wire::Record;

use super::{BATCH, Session};
use crate::{Account, ingest::source::Source};

impl Session {
    /// Begins with the checkpoint, and the ring behind it.
    ///
    /// The ring is copied before the two are looked for. What is overwritten meanwhile lies in them by then, so whatever
    /// the flusher and a draining reader do, all fit together.
    pub(super) fn attach(&mut self, batch: &mut Vec<Record>, keep: &mut dyn FnMut(&Account, &[Record])) -> u64 {
        let Source::Open(ring) = &mut self.source else { return 0 };
        if std::mem::replace(&mut self.is_attached, true) {
            return 0;
        }
        ring.read(batch, usize::MAX);
        let first = ring.position() - batch.len() as u64;
        // What was overwritten before it was copied lies beside the ring, or is counted as taken.
        self.missed_at_attach = ring.missed();
        self.taken_before = first;
        let (mut events, mut reached) = (0, 0);
        // A second time if the journal was begun anew while it was read: there is a snapshot then that has what it had.
        for _ in 0..2 {
            let Source::Open(ring) = &mut self.source else { return 0 };
            let restored = read_checkpoint(ring.path(), ring.header().ring_id).map_err(|error| error.to_string());
            let restored = restored.and_then(|found| {
                let Some(found) = found else { return Ok(None) };
                let account = Account::restore(&found.content, self.account.keeps_live_at_marks());
                account.map(|account| Some((account, found))).map_err(|error| error.to_string())
            });
            match restored {
                Ok(Some((account, found))) if ring.skip_to(found.position) => {
                    self.restored = found.position - found.missing;
                    self.account = account;
                    let (taken, is_sound) = self.take_journal(found.journal, found.position..first, keep);
                    (events, reached) = (taken, found.position + taken);
                    self.taken_before = found.missing + first.saturating_sub(reached);
                    self.shown = self.shown.max(reached);
                    if !is_sound {
                        continue;
                    }
                }
                Ok(Some(_)) => {
                    self.trouble = Some("its snapshot goes further than the ring, and is not used".to_owned());
                }
                Ok(None) => {}
                Err(why) => self.trouble = Some(format!("its snapshot is not used: {why}")),
            }
            break;
        }
        let known = reached.saturating_sub(first).min(batch.len() as u64);
        batch.drain(..known as usize);
        events += self.apply_all(batch, keep);
        // It has held a whole ring.
        *batch = Vec::new();
        events
    }

    /// Applies what the journal has of these records, up to the first that it lacks; returns how many, and false if it was begun
    /// anew meanwhile. Those that were shown before are not shown again.
    fn take_journal(
        &mut self,
        journal: Result<Option<JournalReader>, SidecarError>,
        positions: Range<u64>,
        keep: &mut dyn FnMut(&Account, &[Record]),
    ) -> (u64, bool) {
        let (mut at, mut batch) = (positions.start, Vec::new());
        let journal = match journal {
            _ if positions.is_empty() => None,
            Ok(journal) => journal,
            Err(why) => {
                self.trouble = Some(format!("its journal is not used: {why}"));
                None
            }
        };
        let Some(mut journal) = journal else { return (0, true) };
        while at < positions.end {
            let is_new = at >= self.shown;
            let end = if is_new { positions.end } else { positions.end.min(self.shown) };
            match journal.read(at, (end - at).min(BATCH as u64) as usize, &mut batch) {
                Ok(_) if journal.was_begun_anew() => return (at - positions.start, false),
                Ok(1..) => {}
                Ok(0) => break,
                Err(why) => {
                    self.trouble = Some(format!("its journal is not used: {why}"));
                    break;
                }
            }
            at += if is_new { self.apply_all(&mut batch, keep) } else { self.apply_all(&mut batch, &mut |_, _| {}) };
        }
        (at - positions.start, true)
    }

    /// What a session that only looks has missed may be in the journal: takes it from there, if all of it is. (If nothing
    /// of the ring could be read, all up to its tail.) Returns how many.
    pub(super) fn catch_up(
        &mut self,
        mut missed: Range<u64>,
        to_tail: bool,
        keep: &mut dyn FnMut(&Account, &[Record]),
    ) -> u64 {
        let Source::Open(ring) = &mut self.source else { return 0 };
        let first = missed.end;
        if to_tail {
            missed.end = first.max(ring.counters().tail);
        }
        let Some(journal) = journal_of(ring.path(), ring.header().ring_id, &missed) else { return 0 };
        ring.skip_to(missed.end);
        let (taken, _) = self.take_journal(Ok(Some(journal)), missed.clone(), keep);
        let reached = missed.start + taken;
        // The ring has counted those before the first as missed, and the others not.
        self.missed_at_attach += reached.min(first) - missed.start;
        self.taken_before += missed.end - reached.max(first);
        taken
    }

    /// It may be in the checkpoint otherwise: what was seen up to `reached`, and not from there to `first`, is begun anew with.
    /// False if it does not.
    pub(super) fn attach_again(&mut self, reached: u64, first: u64) -> bool {
        let Source::Open(ring) = &mut self.source else { return false };
        if checkpoint_end(ring.path(), ring.header().ring_id).is_none_or(|position| position < first) {
            return false;
        }
        ring.look_again();
        self.account = Account::new(self.account.keeps_live_at_marks());
        (self.is_attached, self.restored, self.drained) = (false, 0, 0);
        self.shown = self.shown.max(reached);
        true
    }
}
