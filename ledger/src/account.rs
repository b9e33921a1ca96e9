//! What a process's events add up to, whether they come from a ring or from a recording.

use std::fmt;

use serde::{Deserialize, Serialize};
use ttmem_wire::{Event, EventKind, Fact, MAX_POOLS, MarkAssembler, Memory, Pool, Record, Target};

use crate::{Facts, Ledger, LiveRegion, Spans, Totals, place::AT_ONCE, totals::is_count};

/// Marks that an account keeps which [`Account::forget_old_marks`] is asked of: the newest.
pub const MAX_MARKS_KEPT: usize = 10_000;

/// Rows of sums that these keep in all. On a mesh of 32 chips with four memories a mark has 128.
const MAX_MARK_ROWS: usize = 100_000;

/// Where an account is saved to: postcard's own way into a vector goes byte by byte.
struct Bytes(Vec<u8>);

/// Bytes of the longest number.
const SHORT: usize = 10;

impl postcard::ser_flavors::Flavor for Bytes {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() <= SHORT {
            // Most are numbers of few bytes, for which a call that copies takes longer than the copy.
            self.0.reserve(SHORT);
            bytes.iter().for_each(|&byte| self.0.push(byte));
        } else {
            self.0.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Bytes that no account was saved as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not what an account was saved as")
    }
}

impl std::error::Error for Damaged {}

/// The memory at a named moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The name that the program gave.
    pub name: String,
    /// When, in ticks of the ring's clock.
    pub ticks: u64,
    /// The sums at that moment.
    pub totals: Vec<(i32, Memory, Totals)>,
    /// What was live, if that was asked for.
    #[serde(skip)]
    pub live: Option<Vec<LiveRegion>>,
}

/// The ledger of one process, its marks, and the pools that its events name.
///
/// It can be saved as bytes at any moment, and restored: what comes then gives the same as if nothing had been.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Account {
    ledger: Ledger,
    pools: Vec<Option<Pool>>,
    names: MarkAssembler,
    marks: Vec<Mark>,
    spans: Spans,
    facts: Facts,
    #[serde(skip)]
    keep_live_at_marks: bool,
    mark_rows: usize,
    /// Older ones than those that are kept.
    marks_forgotten: u64,
    unreadable: u64,
}

impl Account {
    /// An empty account.
    pub fn new(keep_live_at_marks: bool) -> Self {
        Self { keep_live_at_marks, ..Self::default() }
    }

    /// Applies records in their order. A pool that is not known yet is asked of `pools`; each site that they name is told.
    pub fn take(&mut self, records: &[Record], mut pools: impl FnMut(u32) -> Option<Pool>, mut named: impl FnMut(u32)) {
        for records in records.chunks(AT_ONCE) {
            self.ledger.look_ahead(records.iter().filter_map(Record::buffer_address));
            for record in records {
                // By reference: an event that was just put together is slow to copy.
                match &Event::decode(record) {
                    Ok(event) => {
                        named(event.site);
                        self.apply(event, &mut pools);
                    }
                    Err(_) => self.unreadable += 1,
                }
            }
        }
    }

    /// Applies one event.
    pub fn apply(&mut self, event: &Event, mut pools: impl FnMut(u32) -> Option<Pool>) {
        if matches!(event.kind, EventKind::Mark | EventKind::MarkMore) {
            let Some((ticks, name)) = self.names.push(event) else { return };
            if let Some(fact) = Fact::read(&name) {
                self.facts.take(fact);
            } else if !self.spans.take(&name, ticks, event.thread, &mut self.ledger) {
                self.ledger.mark(&name);
                let live = self.keep_live_at_marks.then(|| self.ledger.live());
                let totals = self.ledger.totals();
                self.mark_rows += totals.len();
                self.marks.push(Mark { name, ticks, totals, live });
            }
            return;
        }
        let pool = match event.target {
            Target::Pool(index) => {
                // An entry never changes once it is complete, so it is asked for once.
                if self.pool(index).is_none()
                    && let Some(pool) = pools(index)
                {
                    self.learn_pool(index, pool);
                }
                self.pools.get(index as usize).and_then(Option::as_ref)
            }
            Target::Device(_) => None,
        };
        self.ledger.apply(event, pool);
    }

    /// Whether it notes what is live at each mark.
    pub fn keeps_live_at_marks(&self) -> bool {
        self.keep_live_at_marks
    }

    /// From now on counts all that is allocated, see [`crate::Ledger::statistics`].
    pub fn keep_statistics(&mut self) {
        self.ledger.keep_statistics();
    }

    /// Notes a pool before the events that name it.
    pub fn learn_pool(&mut self, index: u32, pool: Pool) {
        let index = index as usize;
        if index < MAX_POOLS {
            if self.pools.len() <= index {
                self.pools.resize(index + 1, None);
            }
            self.pools[index] = Some(pool);
        }
    }

    /// A pool, if it is known.
    pub fn pool(&self, index: u32) -> Option<&Pool> {
        self.pools.get(index as usize)?.as_ref()
    }

    /// The pools that are known, with their index.
    pub fn pools(&self) -> impl Iterator<Item = (u32, &Pool)> {
        self.pools.iter().enumerate().filter_map(|(index, pool)| Some((index as u32, pool.as_ref()?)))
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The ledger, for what is known beside events.
    pub fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The marks so far.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The regions of the program, which marks of a reserved syntax begin and end.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// What the process has reported of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The call sites of all that it lists, some more than once.
    pub fn named_sites(&self) -> impl Iterator<Item = u32> {
        self.ledger.named_sites().chain(self.spans.sites())
    }

    /// Marks that were forgotten: older than those that there are.
    pub fn marks_forgotten(&self) -> u64 {
        self.marks_forgotten
    }

    /// Keeps the newest [`MAX_MARKS_KEPT`] marks, fewer where each has many sums: for who must not grow. `slack` is how
    /// many more there may be before something is done.
    pub fn forget_old_marks(&mut self, slack: usize) {
        if self.marks.len() <= MAX_MARKS_KEPT + slack && self.mark_rows <= MAX_MARK_ROWS + slack {
            return;
        }
        let mut gone = 0;
        while self.marks.len() - gone > MAX_MARKS_KEPT || self.mark_rows > MAX_MARK_ROWS && self.marks.len() - gone > 1
        {
            self.mark_rows = self.mark_rows.saturating_sub(self.marks[gone].totals.len());
            gone += 1;
        }
        self.marks.drain(..gone);
        self.marks_forgotten += gone as u64;
    }

    /// Appends the whole state to `out`. Of marks, what was live at them is left out.
    /// `None` would be an error of ours.
    pub fn save(&self, out: Vec<u8>) -> Option<Vec<u8>> {
        postcard::serialize_with_flavor(self, Bytes(out)).ok()
    }

    /// What [`Account::save`] gave. Any bytes are safe to pass, and cost memory in proportion to their number.
    ///
    /// # Errors
    /// [`Damaged`], if no account can have been saved as this.
    pub fn restore(bytes: &[u8], keep_live_at_marks: bool) -> Result<Self, Damaged> {
        let (mut account, rest) = postcard::take_from_bytes::<Self>(bytes).map_err(|_| Damaged)?;
        account.keep_live_at_marks = keep_live_at_marks;
        let rows: usize = account.marks.iter().map(|mark| mark.totals.len()).sum();
        let is_sound = rest.is_empty()
            && account.ledger.complete()
            && account.names.is_sound()
            && account.spans.is_sound(&account.ledger)
            && account.facts.is_sound()
            && account.pools.len() <= MAX_POOLS
            && account.mark_rows == rows
            && is_count(account.marks_forgotten)
            && is_count(account.unreadable);
        if is_sound { Ok(account) } else { Err(Damaged) }
    }

    /// Records that are no event of this version.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}
