//! The ring is full and nobody drains it: its oldest events are folded into a snapshot file, and their room is used again.
//!
//! The snapshot is what the events add up to: a ledger with its marks, saved (see [`ttmem_ledger::Account`]). It is written
//! under a temporary name, named, and only then the ring's tail is moved; a reader, or the flusher of this process after
//! a reader left, goes on from it, and from the journal that a reader may have left beside it. All of it happens on the
//! flusher's thread, under the lock that readers drain under, and nothing of it is there before the first fold: a process
//! whose ring never fills pays nothing.
//!
//! What it costs the process: at most 120 bytes a live region (twice that while a table grows), the bytes of one snapshot
//! (some 30 a region), and the newest marks. When a reader comes, that is given back.

use std::{fmt, ops::Range};

use ttmem_ledger::Account;
use ttmem_ring::{
    JournalReader, Mover, PoolTable, RingFile, UnnamedSnapshot, fault_at, open_journal, read_snapshot, remove_journal,
    snapshot_position,
};
use ttmem_wire::{Pool, Record, Snapshot};

use crate::complain;

/// More live regions than this are not kept in the host: from then on events are lost, and counted, until a reader comes.
const MAX_LIVE: u64 = 1 << 20;
/// Records that are applied at once.
const BATCH: u64 = 1024;
/// How many marks more than are kept may gather before the oldest are forgotten.
const MARK_SLACK: usize = 1000;
/// Bytes of the host's memory that a live region may take while it is folded: in a table that grows, and saved.
const BYTES_A_REGION: u64 = 400;

/// How much of a full ring to fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    /// The older half.
    Half,
    /// Everything.
    All,
}

/// Folds the ring of this process.
pub(crate) struct Folder {
    ring: RingFile,
    pools: PoolTable<'static>,
    /// False once it was turned off, or can't be done.
    is_on: bool,
    folded: Option<Box<Folded>>,
    /// The ring's head when it was last looked whether there is something to prepare.
    looked: u64,
    /// Kept from one to the next.
    bytes: Vec<u8>,
    records: Vec<Record>,
}

/// What was folded so far.
struct Folded {
    account: Account,
    /// Records below this are in it, but for `missing`.
    position: u64,
    missing: u64,
}

/// Why nothing can be folded any more.
enum Trouble {
    File(std::io::Error),
    Memory,
    TooMuch,
    Ours,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "its snapshot can't be written: {error}"),
            Self::Memory => write!(f, "there is no memory for a snapshot"),
            Self::TooMuch => write!(f, "more than {MAX_LIVE} regions are live"),
            Self::Ours => write!(f, "an error inside ttmem; please report it"),
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl Folder {
    pub(crate) fn new(ring: RingFile, is_on: bool) -> Self {
        let pools = ring.pools();
        Self { ring, pools, is_on, folded: None, looked: 0, bytes: Vec::new(), records: Vec::new() }
    }

    /// Makes room in a full ring; false if a reader is there to do it, or it can't be done.
    pub(crate) fn fold(&mut self, mover: &mut Mover<'_>, share: Fold) -> bool {
        if !self.is_on {
            return false;
        }
        match self.try_fold(mover, share) {
            Ok(made_room) => {
                if !made_room {
                    self.give_back();
                }
                made_room
            }
            Err(trouble) => {
                self.is_on = false;
                self.give_back();
                complain::once(format_args!(
                    "nobody drains the ring, it is full, and {trouble}; events are lost, and counted"
                ));
                false
            }
        }
    }

    /// A reader was there and is gone, and the ring is half full: reads what it left while there is room, since that may take as long
    /// as the events that fit into the stage. Asks seldom: each sixteenth of the ring.
    pub(crate) fn prepare(&mut self, mover: &Mover<'_>) {
        let capacity = mover.capacity() as u64;
        if !self.is_on || mover.head() < self.looked + capacity / 16 {
            return;
        }
        self.looked = mover.head();
        let is_due = |unread: &Range<u64>| unread.end - unread.start >= capacity / 2;
        let Some(unread) = mover.unread() else { return };
        let is_ready = self.folded.as_ref().map(|folded| folded.position == unread.start);
        if is_ready == Some(false) {
            // Somebody drains: what was folded is in the snapshot, and its memory is the program's.
            self.give_back();
        }
        if !is_due(&unread)
            || is_ready == Some(true)
            || snapshot_position(self.ring.path(), self.ring.header().ring_id).is_none()
        {
            return;
        }
        let Ok(Some(_lock)) = self.ring.lock_tail() else { return };
        let Some(unread) = mover.unread().filter(is_due) else { return };
        // What goes wrong now does so again when the ring is full, and is said then.
        self.folded = self.go_on_from(&unread).ok().map(Box::new);
    }

    fn try_fold(&mut self, mover: &mut Mover<'_>, share: Fold) -> Result<bool, Trouble> {
        let Some(_lock) = self.ring.lock_tail()? else { return Ok(false) };
        fault_at("fold-locked");
        // Asked under the lock: nobody else moves the tail now.
        let Some(unread) = mover.unread() else { return Ok(false) };
        let mut folded = match self.folded.take() {
            Some(folded) if folded.position == unread.start => folded,
            _ => Box::new(self.go_on_from(&unread)?),
        };
        let half = unread.start + mover.capacity() as u64 / 2;
        let end = if share == Fold::Half { half.clamp(folded.position, unread.end) } else { unread.end };
        self.check_memory(folded.account.ledger().live_count(), end - folded.position)?;
        for start in (folded.position..end).step_by(BATCH as usize) {
            self.records.clear();
            mover.copy(start..end.min(start + BATCH), &mut self.records);
            self.apply_to(&mut folded)?;
        }
        folded.position = end;
        folded.account.forget_old_marks(0);
        self.bytes.clear();
        self.bytes = folded.account.save(std::mem::take(&mut self.bytes)).ok_or(Trouble::Ours)?;
        let snapshot = Snapshot { ring_id: self.ring.header().ring_id, position: end, missing: folded.missing };
        fault_at("fold-saved");
        let written = UnnamedSnapshot::write(self.ring.path(), &snapshot, &self.bytes)?;
        fault_at("fold-written");
        written.name()?;
        fault_at("fold-named");
        remove_journal(self.ring.path());
        mover.release(end);
        fault_at("fold-released");
        self.folded = Some(folded);
        Ok(true)
    }

    /// Applies the records that were copied.
    fn apply_to(&self, folded: &mut Folded) -> Result<(), Trouble> {
        folded.account.take(&self.records, |index| self.pools.get(index), |_| {});
        folded.account.forget_old_marks(MARK_SLACK);
        if folded.account.ledger().live_count() > MAX_LIVE { Err(Trouble::TooMuch) } else { Ok(()) }
    }

    /// What there was before: a reader has drained and left, or nobody has folded yet.
    fn go_on_from(&mut self, unread: &Range<u64>) -> Result<Folded, Trouble> {
        let ring_id = self.ring.header().ring_id;
        let found = read_snapshot(self.ring.path(), ring_id).ok().flatten().and_then(|(snapshot, content)| {
            let is_ours = snapshot.position <= unread.end;
            let account = is_ours.then(|| Account::restore(&content, false).ok()).flatten()?;
            Some(Folded { account, position: snapshot.position, missing: snapshot.missing })
        });
        let mut folded = found.unwrap_or_else(|| Folded { account: Account::new(false), position: 0, missing: 0 });
        if folded.position < unread.start
            && let Ok(Some(journal)) = open_journal(self.ring.path(), ring_id)
        {
            self.apply_journal(journal, &mut folded, unread.start)?;
        }
        // Who moved the tail further than snapshot and journal go has kept those events to itself.
        folded.missing += unread.start.saturating_sub(folded.position);
        folded.position = folded.position.max(unread.start);
        Ok(folded)
    }

    /// What a reader let go since its snapshot, up to `end`, or as far as it can be read. (One that begins further on gives
    /// nothing.)
    fn apply_journal(&mut self, mut journal: JournalReader, folded: &mut Folded, end: u64) -> Result<(), Trouble> {
        while folded.position < end {
            self.records.clear();
            let max = (end - folded.position).min(BATCH);
            let Ok(count @ 1..) = journal.read(folded.position, max as usize, &mut self.records) else { break };
            self.check_memory(folded.account.ledger().live_count(), max)?;
            self.apply_to(folded)?;
            folded.position += count as u64;
        }
        Ok(())
    }

    /// Where memory has a limit, an allocation that fails would end the host: so it is asked for beforehand, as much as this
    /// fold can take at most, and given back untouched.
    fn check_memory(&self, live: u64, events: u64) -> Result<(), Trouble> {
        let chips = (0..).map_while(|index| self.pools.get(index)).map(|pool: Pool| pool.chips.len() as u64);
        let new = events.saturating_mul(chips.max().unwrap_or(1).max(1)).min(MAX_LIVE);
        let bytes = (live + new).saturating_mul(BYTES_A_REGION).saturating_add(1 << 20);
        Vec::<u8>::new().try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).map_err(|_| Trouble::Memory)
    }

    fn give_back(&mut self) {
        self.folded = None;
        self.bytes = Vec::new();
        self.records = Vec::new();
    }
}
