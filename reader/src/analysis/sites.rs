//! Call sites of a process, one object for all that read alike.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use ttmem_recording::Tensor;

use crate::{
    SiteStyle, Symbols,
    sites::{CallSite, Frame, Sites},
};

/// Sites by what they read as: the op, and the frames that are shown.
type Readings = HashMap<(Option<Arc<str>>, Vec<Frame>), Arc<CallSite>>;

/// What the sites of all processes of an analysis share.
#[derive(Default)]
pub(crate) struct Interner {
    symbols: RefCell<Symbols>,
    readings: RefCell<Readings>,
}

impl Interner {
    /// The one site that reads as this one.
    pub(crate) fn intern(&self, site: Arc<CallSite>, style: SiteStyle) -> Arc<CallSite> {
        let shown = if style.full { site.frames.to_vec() } else { site.users().cloned().collect() };
        self.readings.borrow_mut().entry((site.op.clone(), shown)).or_insert(site).clone()
    }

    /// The sites of one process.
    pub(crate) fn of_process<'a>(&'a self, sites: &'a Sites, style: SiteStyle) -> CallSites<'a> {
        CallSites { sites, interner: self, style, known: RefCell::default() }
    }
}

/// The sites of one process by their number.
pub(crate) struct CallSites<'a> {
    sites: &'a Sites,
    interner: &'a Interner,
    style: SiteStyle,
    known: RefCell<HashMap<u32, Arc<CallSite>>>,
}

impl CallSites<'_> {
    /// The site of this number; one without frames where it is not known.
    pub(crate) fn of(&self, id: u32) -> Arc<CallSite> {
        if let Some(site) = self.known.borrow().get(&id) {
            return site.clone();
        }
        let named = self.sites.call_site(id, self.style, &mut self.interner.symbols.borrow_mut());
        let site = self.interner.intern(Arc::new(named.unwrap_or_default()), self.style);
        self.known.borrow_mut().insert(id, site.clone());
        site
    }

    /// The tensor of this number, where it is known.
    pub(crate) fn tensor(&self, id: u32) -> Option<Arc<Tensor>> {
        self.sites.tensor(id)
    }

    /// A key that is equal for numbers of equal sites.
    pub(crate) fn key_of(&self, id: u32) -> usize {
        Arc::as_ptr(&self.of(id)) as usize
    }
}

/// Whether anything is known of it.
pub(crate) fn is_known(site: &CallSite) -> bool {
    site.op.is_some() || !site.frames.is_empty()
}
