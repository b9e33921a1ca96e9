//! How a session begins with the checkpoint of its ring, and with a newer one when it was overtaken.

use ttmem_ring::{read_snapshot, snapshot_position};
use ttmem_wire::Record;

use super::{Observer, Session};
use crate::{Account, ingest::source::Source};

impl Session {
    /// Begins with the checkpoint, and the ring behind it.
    ///
    /// The ring is copied before the checkpoint is opened. What is overwritten meanwhile lies in the checkpoint by then, so whatever
    /// the flusher and a draining reader do, the two fit together.
    pub(super) fn attach(&mut self, batch: &mut Vec<Record>, observer: &mut dyn Observer) -> u64 {
        let Source::Open(ring) = &mut self.source else { return 0 };
        if std::mem::replace(&mut self.is_attached, true) {
            return 0;
        }
        ring.read(batch, usize::MAX);
        let first = ring.position() - batch.len() as u64;
        // What was overwritten before it was copied lies beside the ring, or is counted as taken.
        self.missed_at_attach = ring.missed();
        self.taken_before = first;
        let restored = read_snapshot(ring.path(), ring.header().ring_id).map_err(|error| error.to_string());
        let restored = restored.and_then(|found| {
            let Some((snapshot, content)) = found else { return Ok(None) };
            let account = Account::restore(&content, self.account.keeps_live_at_marks());
            account.map(|account| Some((account, snapshot))).map_err(|error| error.to_string())
        });
        match restored {
            Ok(Some((account, snapshot))) if ring.skip_to(snapshot.position) => {
                self.restored = snapshot.position - snapshot.missing;
                self.account = account;
                self.taken_before = snapshot.missing + first.saturating_sub(snapshot.position);
                let known = snapshot.position.saturating_sub(first).min(batch.len() as u64);
                batch.drain(..known as usize);
            }
            Ok(Some(_)) => self.trouble = Some("its snapshot goes further than the ring, and is not used".to_owned()),
            Ok(None) => {}
            Err(why) => self.trouble = Some(format!("its snapshot is not used: {why}")),
        }
        observer.begin(&mut self.account);
        let events = self.apply_all(batch, observer);
        // It has held a whole ring.
        *batch = Vec::new();
        events
    }

    /// A session that only looks was overtaken: it begins anew, if a checkpoint goes as far as `first`, the oldest record that the ring
    /// still had. False if none does.
    pub(super) fn attach_again(&mut self, first: u64) -> bool {
        let Source::Open(ring) = &mut self.source else { return false };
        if snapshot_position(ring.path(), ring.header().ring_id).is_none_or(|position| position < first) {
            return false;
        }
        ring.look_again();
        self.account = Account::new(self.account.keeps_live_at_marks());
        (self.is_attached, self.restored, self.drained) = (false, 0, 0);
        true
    }
}
