//! The ring is full and nobody drains it: the flusher writes a checkpoint, and releases what it has.
//!
//! The snapshot holds what the events add up to: a ledger with its marks (see [`ttmem_ledger::Account`]). How it is written is the
//! ring crate's; a reader, or the flusher after a reader has left, goes on from it. Nothing of it exists before the ring is full for
//! the first time.
//!
//! What it costs the process: at most 120 bytes a live allocation (twice that while a table grows), the bytes of one snapshot
//! (some 30 an allocation), and the newest marks. When a reader comes, that is freed.

use std::{fmt, ops::Range};

use ttmem_ledger::Account;
use ttmem_ring::{CheckpointWriter, Drain, OwnTail, PoolTable, RingFile, failpoint, read_snapshot, snapshot_position};
use ttmem_wire::{Pool, Record};

use crate::{complain, full_queue::FullQueue};

/// More live allocations than this are not kept in the host: from then on events are lost, and counted, until a reader comes.
const MAX_LIVE: u64 = 1 << 20;
/// Records that are applied at once.
const BATCH: u64 = 1024;
/// How many marks more than are kept may gather before the oldest are forgotten.
const MARK_SLACK: usize = 1000;
/// Bytes of the host's memory that a live allocation may take meanwhile: in a table that grows, and saved.
const BYTES_AN_ALLOCATION: u64 = 400;

/// How much of a full ring a checkpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// The older half.
    OlderHalf,
    /// Everything.
    All,
}

/// Writes the checkpoints of this process's own ring.
pub(crate) struct Checkpoints {
    ring: RingFile,
    pools: PoolTable<'static>,
    full_queue: &'static FullQueue,
    /// False once it was turned off, or can't be done.
    is_on: bool,
    state: Option<Box<State>>,
    /// What all events add up to that were in the ring when the process asked for it last.
    asked: Option<Box<State>>,
    /// The ring's head when it was last checked whether there is something to prepare.
    checked: u64,
    /// Kept from one to the next.
    records: Vec<Record>,
}

/// What the last checkpoint has.
struct State {
    account: Account,
    /// Records below this are in it, but for `missing`.
    position: u64,
    missing: u64,
    writer: CheckpointWriter,
}

/// Why no checkpoint can be written any more.
enum Trouble {
    File(std::io::Error),
    Memory,
    TooMuch,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "its checkpoint can't be written: {error}"),
            Self::Memory => write!(f, "there is no memory for a checkpoint"),
            Self::TooMuch => write!(f, "more than {MAX_LIVE} allocations are live"),
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl Checkpoints {
    pub(crate) fn new(ring: RingFile, full_queue: &'static FullQueue, is_on: bool) -> Self {
        let pools = ring.pools();
        Self { ring, pools, full_queue, is_on, state: None, asked: None, checked: 0, records: Vec::new() }
    }

    /// Releases a share of a full ring; false if a reader drains it, or no checkpoint can be written.
    pub(crate) fn write(&mut self, drain: &mut Drain<'static>, share: Share) -> bool {
        if !self.is_on {
            return false;
        }
        match self.try_write(drain, share) {
            Ok(released) => {
                if !released {
                    self.free_memory();
                }
                released
            }
            Err(trouble) => {
                self.is_on = false;
                self.free_memory();
                complain::once(format_args!(
                    "nobody drains the ring, it is full, and {trouble}; events are lost, and counted"
                ));
                false
            }
        }
    }

    /// A reader has drained and left, and the ring is half full: restores the reader's checkpoint before the ring is full, since that
    /// may take as long as the events that fit into the queue. Checks seldom: each sixteenth of the ring.
    pub(crate) fn prepare(&mut self, drain: &Drain<'_>) {
        let capacity = drain.capacity() as u64;
        if !self.is_on || drain.head() < self.checked + capacity / 16 {
            return;
        }
        self.checked = drain.head();
        let is_due = |unreleased: &Range<u64>| unreleased.end - unreleased.start >= capacity / 2;
        let Some(unreleased) = drain.unreleased() else { return };
        let is_ready = self.state.as_ref().map(|state| state.position == unreleased.start);
        if is_ready == Some(false) {
            // A reader drains: its checkpoint has what ours had, and the memory is the program's.
            self.free_memory();
        }
        if !is_due(&unreleased)
            || is_ready == Some(true)
            || snapshot_position(self.ring.path(), self.ring.header().ring_id).is_none()
        {
            return;
        }
        let Ok(Some(_lock)) = self.ring.lock_tail() else { return };
        let Some(unreleased) = drain.unreleased().filter(is_due) else { return };
        self.state = Some(Box::new(self.restore(&unreleased)));
    }

    /// What all events in the ring and before add up to; `None` where some are missing, or there are too many. It is kept, so that the
    /// next call applies what has come since.
    pub(crate) fn account(&mut self, drain: &Drain<'_>) -> Option<&Account> {
        // A reader may release more meanwhile, and its checkpoint then goes further: what is in the ring stays there, since this
        // thread alone overwrites it.
        let unreleased = drain.unreleased()?;
        let mut state = match self.asked.take() {
            Some(state) if state.position >= unreleased.start => state,
            _ => Box::new(self.restore(&unreleased)),
        };
        let end = unreleased.end;
        self.check_memory(state.account.ledger().live_count(), end.saturating_sub(state.position)).ok()?;
        for start in (state.position..end).step_by(BATCH as usize) {
            self.records.clear();
            drain.peek(start..end.min(start + BATCH), &mut self.records);
            self.apply_to(&mut state).ok()?;
        }
        state.position = end;
        state.account.forget_old_marks(0);
        let state = self.asked.insert(state);
        (state.missing == 0).then_some(&state.account)
    }

    fn try_write(&mut self, drain: &mut Drain<'static>, share: Share) -> Result<bool, Trouble> {
        let Some(lock) = self.ring.lock_tail()? else { return Ok(false) };
        failpoint("tail-locked");
        // Read under the lock: nobody else moves the tail now.
        let Some(unreleased) = drain.unreleased() else { return Ok(false) };
        let mut state = match self.state.take() {
            Some(state) if state.position == unreleased.start => state,
            _ => Box::new(self.restore(&unreleased)),
        };
        let half = unreleased.start + drain.capacity() as u64 / 2;
        let end = match share {
            Share::OlderHalf => half.clamp(state.position, unreleased.end),
            Share::All => unreleased.end,
        };
        self.check_memory(state.account.ledger().live_count(), end - state.position)?;
        for start in (state.position..end).step_by(BATCH as usize) {
            self.records.clear();
            drain.peek(start..end.min(start + BATCH), &mut self.records);
            self.apply_to(&mut state)?;
        }
        state.position = end;
        state.account.forget_old_marks(0);
        let State { account, missing, writer, .. } = &mut *state;
        let mut tail = OwnTail::new(&self.ring, &lock, drain, end);
        writer.write(&mut tail, *missing, |buffer| account.save(buffer))?;
        self.full_queue.note_progress();
        self.state = Some(state);
        Ok(true)
    }

    /// Applies the records that were copied.
    fn apply_to(&self, state: &mut State) -> Result<(), Trouble> {
        state.account.take(&self.records, |index| self.pools.get(index), |_| {});
        state.account.forget_old_marks(MARK_SLACK);
        self.full_queue.note_progress();
        if state.account.ledger().live_count() > MAX_LIVE { Err(Trouble::TooMuch) } else { Ok(()) }
    }

    /// The checkpoint that was there before: a reader has drained and left, or there is none yet.
    fn restore(&self, unreleased: &Range<u64>) -> State {
        let mut state =
            State { account: Account::new(false), position: 0, missing: 0, writer: CheckpointWriter::default() };
        let found = read_snapshot(self.ring.path(), self.ring.header().ring_id).ok().flatten();
        if let Some((snapshot, content)) = found.filter(|(snapshot, _)| snapshot.position <= unreleased.end)
            && let Ok(account) = Account::restore(&content, false)
        {
            (state.account, state.position, state.missing) = (account, snapshot.position, snapshot.missing);
        }
        // What was released without a checkpoint, a reader has kept to itself.
        state.missing += unreleased.start.saturating_sub(state.position);
        state.position = state.position.max(unreleased.start);
        state
    }

    /// Where memory has a limit, an allocation that fails would end the host: so it is asked for beforehand, as much as this
    /// checkpoint can take at most, and freed untouched.
    fn check_memory(&self, live: u64, events: u64) -> Result<(), Trouble> {
        let chips = (0..).map_while(|index| self.pools.get(index)).map(|pool: Pool| pool.chips.len() as u64);
        let new = events.saturating_mul(chips.max().unwrap_or(1).max(1)).min(MAX_LIVE);
        let bytes = (live + new).saturating_mul(BYTES_AN_ALLOCATION).saturating_add(1 << 20);
        Vec::<u8>::new().try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(|_| Trouble::Memory)
    }

    fn free_memory(&mut self) {
        self.state = None;
        self.records = Vec::new();
    }
}
