//! What a process's events add up to, with the lines of the program that they name.

use std::ops::{Deref, DerefMut};

use ttmem_ledger::Damaged;
use ttmem_wire::{Event, EventKind, Pool, Record, flags, split_mark};

use crate::sites::Sites;

/// The books of one process, and the call sites that its events name.
#[derive(Debug, Default)]
pub struct Account {
    books: ttmem_ledger::Account,
    sites: Sites,
}

impl Account {
    /// An empty account.
    pub fn new(keep_live_at_marks: bool) -> Self {
        Self { books: ttmem_ledger::Account::new(keep_live_at_marks), sites: Sites::default() }
    }

    /// What [`ttmem_ledger::Account::save`] gave, with the sites that it names still to be looked for.
    ///
    /// # Errors
    /// [`Damaged`], if no account can have been saved as this.
    pub(crate) fn restore(bytes: &[u8], keep_live_at_marks: bool) -> Result<Self, Damaged> {
        let books = ttmem_ledger::Account::restore(bytes, keep_live_at_marks)?;
        let mut sites = Sites::default();
        books.named_sites().for_each(|site| sites.want(site));
        Ok(Self { books, sites })
    }

    /// Applies records in their order. A pool that is not known yet is asked of `pools`.
    pub fn take(&mut self, records: &[Record], pools: impl FnMut(u32) -> Option<Pool>) {
        self.books.take(records, pools, |site| self.sites.want(site));
    }

    /// Applies one event.
    pub fn apply(&mut self, event: &Event, pools: impl FnMut(u32) -> Option<Pool>) {
        self.sites.want(event.site);
        self.books.apply(event, pools);
    }

    /// What the allocator was being asked for when the process aborted, see [`unanswered`].
    pub(crate) fn hear_last_words(&mut self, requests: &[Record]) {
        self.take(&unanswered(requests), |_| None);
    }

    /// The call sites that its events name.
    pub fn sites(&self) -> &Sites {
        &self.sites
    }

    /// The call sites, to look for more.
    pub(crate) fn sites_mut(&mut self) -> &mut Sites {
        &mut self.sites
    }
}

impl Deref for Account {
    type Target = ttmem_ledger::Account;

    fn deref(&self) -> &ttmem_ledger::Account {
        &self.books
    }
}

impl DerefMut for Account {
    fn deref_mut(&mut self) -> &mut ttmem_ledger::Account {
        &mut self.books
    }
}

/// Requests that an allocator has not answered when the process aborted, as refusals with a reason. An exception that leaves the
/// allocator is an event of its own, also where nobody catches it.
pub(crate) fn unanswered(requests: &[Record]) -> Vec<Record> {
    const REASON: &[u8] = b"\x1frefused:the process aborted in the allocator's call";
    let events = requests.iter().filter_map(|request| Event::decode(request).ok());
    let refusals = events.filter(|event| event.kind == EventKind::OutOfMemory);
    let told = refusals.flat_map(|event| {
        let refusal = Event { size_per_bank: None, space: None, flags: flags::OTHER_REASON, ..event };
        let Event { sequence, ticks, thread, .. } = event;
        let reason = split_mark(REASON).map(move |part| Event { sequence, ticks, thread, ..part });
        std::iter::once(refusal).chain(reason)
    });
    told.map(|event| event.encode()).collect()
}
