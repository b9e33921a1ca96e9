//! Call sites: the lines of the program that memory comes from.

mod apart;
mod call_site;
mod file;
mod lines;
mod names;
mod operation;
mod origin;
mod parse;
mod symbols;

use std::{
    cell::{RefCell, RefMut},
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ttmem_recording::Site;

use crate::visible::visible;

pub use apart::tell_apart;
pub use call_site::{CallSite, Frame};
pub(crate) use file::SiteFile;
pub use origin::Origin;
pub use symbols::Symbols;

/// How call sites are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteStyle {
    /// All frames, those of ttnn and tt-metal too.
    pub full: bool,
    /// C++ names as the file has them.
    pub raw_names: bool,
}

/// The sites of one process, as far as they are known.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    known: BTreeMap<u32, Site>,
    /// Named by events and not looked for yet.
    wanted: BTreeSet<u32>,
    /// The last that came by: most often the next one too.
    last: u32,
    refused: u64,
}

impl Sites {
    /// Notes that an event names this site.
    pub(crate) fn want(&mut self, id: u32) {
        if id != 0 && id != self.last {
            self.last = id;
            if !self.known.contains_key(&id) {
                self.wanted.insert(id);
            }
        }
    }

    /// Looks for what is wanted; called while the file is still there.
    pub(crate) fn look(&mut self, file: Option<&mut SiteFile>) {
        let wanted = std::mem::take(&mut self.wanted);
        let Some(file) = file else { return };
        for id in wanted {
            // One that cannot be read is not looked for again.
            self.known.entry(id).or_insert_with(|| file.site(id).unwrap_or(Site { id, ..Site::default() }));
        }
        self.refused = file.refused();
    }

    /// Whether events name sites that were not looked for yet.
    pub(crate) fn wants(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Notes a site that is known from elsewhere.
    pub(crate) fn learn(&mut self, site: Site) {
        self.known.insert(site.id, site);
    }

    /// The site of this number.
    pub fn get(&self, id: u32) -> Option<&Site> {
        self.known.get(&id)
    }

    /// All that are known.
    pub(crate) fn known(&self) -> &BTreeMap<u32, Site> {
        &self.known
    }

    /// The frames of all that are known, innermost first, in the default style.
    pub fn frames(&self) -> HashMap<u32, Vec<String>> {
        let symbols = RefCell::new(Symbols::default());
        let naming = Naming::new(self, SiteStyle::default(), &symbols);
        self.known.keys().map(|&id| (id, naming.named(id).frames)).collect()
    }

    /// The frames of one in the default style, innermost first; none where it is not known.
    pub(crate) fn frames_of(&self, id: u32, symbols: &mut Symbols) -> Vec<String> {
        let texts = |site| CallSite::new(site, None, SiteStyle::default(), symbols).texts(false);
        self.get(id).map_or_else(Vec::new, texts)
    }

    /// Events that go without their site, since there was no room for more.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// The call sites of one process, each made once.
pub(crate) struct Naming<'a> {
    sites: &'a Sites,
    style: SiteStyle,
    symbols: &'a RefCell<Symbols>,
    made: RefCell<HashMap<u32, (Arc<CallSite>, Named)>>,
}

/// A site as text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// Its frames, innermost first.
    pub(crate) frames: Vec<String>,
}

impl<'a> Naming<'a> {
    pub(crate) fn new(sites: &'a Sites, style: SiteStyle, symbols: &'a RefCell<Symbols>) -> Self {
        Self { sites, style, symbols, made: RefCell::default() }
    }

    /// The site of this number; without frames where it is not known.
    pub(crate) fn site(&self, id: u32) -> Arc<CallSite> {
        self.made(id).map_or_else(Arc::default, |made| made.0.clone())
    }

    /// The same as text, in the style.
    pub(crate) fn named(&self, id: u32) -> Named {
        self.made(id).map_or_else(Named::default, |made| made.1.clone())
    }

    fn made(&self, id: u32) -> Option<RefMut<'_, (Arc<CallSite>, Named)>> {
        let site = self.sites.get(id)?;
        let make = || {
            let mut symbols = self.symbols.borrow_mut();
            let op = operation::operation(site, &mut symbols).map(|op| visible(&op).into_owned());
            let made = CallSite::new(site, op, self.style, &mut symbols);
            let named = Named { frames: made.texts(self.style.full) };
            (Arc::new(made), named)
        };
        Some(RefMut::map(self.made.borrow_mut(), |made| made.entry(id).or_insert_with(make)))
    }
}
