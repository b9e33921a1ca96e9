//! What a process's events add up to, whether they come from a ring or from a recording.

use ttmem_ledger::{Ledger, LiveRegion, Totals};
use ttmem_wire::{Event, EventKind, MAX_POOLS, MarkAssembler, Memory, Pool, Record, Target};

use crate::Spans;
use crate::sites::Sites;

/// Records that the ledger looks at before it applies them.
const AHEAD: usize = 32;

/// The memory at a named moment.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The name that the program gave.
    pub name: String,
    /// When, in ticks of the ring's clock.
    pub ticks: u64,
    /// The sums at that moment.
    pub totals: Vec<(i32, Memory, Totals)>,
    /// What was live, if that was asked for.
    pub live: Option<Vec<LiveRegion>>,
}

/// The ledger of one process, its marks, and the pools that its events name.
#[derive(Debug, Default)]
pub struct Account {
    ledger: Ledger,
    pools: Vec<Option<Pool>>,
    names: MarkAssembler,
    marks: Vec<Mark>,
    spans: Spans,
    keep_live_at_marks: bool,
    unreadable: u64,
    sites: Sites,
}

impl Account {
    /// An empty account.
    pub fn new(keep_live_at_marks: bool) -> Self {
        Self { keep_live_at_marks, ..Self::default() }
    }

    /// Applies records in their order. A pool that is not known yet is asked of `pools`.
    pub fn take(&mut self, records: &[Record], mut pools: impl FnMut(u32) -> Option<Pool>) {
        for records in records.chunks(AHEAD) {
            self.ledger.look_ahead(records.iter().filter_map(Record::buffer_address));
            for record in records {
                // By reference: an event that was just put together is slow to copy.
                match &Event::decode(record) {
                    Ok(event) => self.apply(event, &mut pools),
                    Err(_) => self.unreadable += 1,
                }
            }
        }
    }

    /// Applies one event.
    pub fn apply(&mut self, event: &Event, mut pools: impl FnMut(u32) -> Option<Pool>) {
        self.sites.want(event.site);
        if matches!(event.kind, EventKind::Mark | EventKind::MarkMore) {
            if let Some((ticks, name)) = self.names.push(event)
                && !self.spans.take(&name, ticks, event.thread, &mut self.ledger)
            {
                self.ledger.mark(&name);
                let live = self.keep_live_at_marks.then(|| self.ledger.live());
                self.marks.push(Mark { name, ticks, totals: self.ledger.totals(), live });
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

    /// What the allocator was being asked for when the process aborted: refusals that nobody could note.
    pub(crate) fn hear_last_words(&mut self, requests: &[Record]) {
        for event in requests.iter().filter(|request| is_refusal(request)).filter_map(|it| Event::decode(it).ok()) {
            self.apply(&event, |_| None);
        }
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
    pub(crate) fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    /// The marks so far.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The call sites that its events name.
    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// The call sites, to look for more.
    pub(crate) fn sites_mut(&mut self) -> &mut Sites {
        &mut self.sites
    }

    /// The regions of the program, which marks of a reserved syntax begin and end.
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Records that are no event of this version.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// Whether a record tells that an allocator refused.
pub(crate) fn is_refusal(record: &Record) -> bool {
    Event::decode(record).is_ok_and(|event| event.kind == EventKind::OutOfMemory)
}
