//! What a process's events add up to, with the lines of the program that they name.

use std::ops::{Deref, DerefMut};

use ttmem_ledger::Damaged;
use ttmem_wire::{Event, EventKind, Pool, Record};

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

    /// What the allocator was being asked for when the process aborted: refusals that nobody could note.
    pub(crate) fn hear_last_words(&mut self, requests: &[Record]) {
        for event in requests.iter().filter(|request| is_refusal(request)).filter_map(|it| Event::decode(it).ok()) {
            self.apply(&event, |_| None);
        }
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

/// Whether a record tells that an allocator refused.
pub(crate) fn is_refusal(record: &Record) -> bool {
    Event::decode(record).is_ok_and(|event| event.kind == EventKind::OutOfMemory)
}
