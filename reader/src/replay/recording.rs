//! A replayed recording: the same accounts as when its rings were drained.

use ttmem_recording::{Process, Status};
use ttmem_ring::ClockMap;

use super::{Input, pump};
use crate::{Account, Counts, Ended, Failure, Tell, Told};

/// One process of a recording.
#[derive(Debug)]
pub struct Replay {
    process: Process,
    status: Status,
    /// Events that the recording has.
    events: u64,
    account: Account,
    is_cut: bool,
}

/// A recording that was read to its end.
#[derive(Debug)]
pub struct Recording {
    /// Its processes, in the order in which they began.
    pub processes: Vec<Replay>,
    /// Whether its writer was stopped before it was done.
    pub is_cut: bool,
}

/// Replays a whole recording.
///
/// # Errors
/// If the file cannot be read, is none, or is damaged.
pub fn replay(input: &Input) -> Result<Recording, Failure> {
    let replayed = pump(input, &mut |replay, records| {
        replay.account_mut().take(records, |_| None);
        Ok(())
    });
    replayed.map_err(|why| why.failure(input.path()))
}

impl Replay {
    pub(super) fn new(process: Process, live_at_marks: bool) -> Self {
        let account = Account::new(live_at_marks);
        Self { process, status: Status::default(), events: 0, account, is_cut: false }
    }

    /// Its number in the recording.
    pub(crate) fn number(&self) -> u32 {
        self.process.process
    }

    pub(super) fn started_ns(&self) -> u64 {
        self.process.realtime_start_ns
    }

    /// The account, to apply events to.
    pub(crate) fn account_mut(&mut self) -> &mut Account {
        &mut self.account
    }

    pub(super) fn count(&mut self, events: u64) {
        self.events += events;
    }

    pub(super) fn set_status(&mut self, status: Status) {
        self.status = status;
    }

    /// A cut recording has more events than its last status counts, or a status of which the last events are missing.
    pub(super) fn conclude(&mut self, is_cut: bool) {
        self.is_cut = is_cut && self.status.ended.is_none();
        if let Some(end) = self.ended().and_then(Ended::end) {
            self.account.ledger_mut().end(end);
        }
    }

    fn ended(&self) -> Option<Ended> {
        self.status.ended.map(Ended::from)
    }
}

impl Tell for Replay {
    fn told(&self) -> Told<'_> {
        let status = &self.status;
        let drained = self.events.saturating_add(status.drained_elsewhere);
        Told {
            pid: self.process.pid,
            command: &self.process.command,
            realtime_start_ns: self.process.realtime_start_ns,
            ring_id: u128::from_str_radix(&self.process.ring_id, 16).unwrap_or(0),
            library_version: &self.process.library_version,
            counts: Counts {
                // Until its last status is written, a recording may be ahead of what it knows.
                reported: status.reported.max(drained.saturating_add(status.lost)),
                drained,
                drained_elsewhere: status.drained_elsewhere,
                restored: 0,
                lost: status.lost,
                pretended: status.pretended,
            },
            is_over: status.is_over,
            ended: self.ended(),
            clock: ClockMap::through(status.clock.map(|point| (point.ticks, point.realtime_ns))),
            account: &self.account,
            cut_after: self.is_cut.then_some(self.events),
        }
    }
}
