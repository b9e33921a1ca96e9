//! Call sites: the lines of the program that memory comes from.

mod file;
mod lines;
mod shape;
mod shim;
mod symbols;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use ttmem_recording::Site;

pub(crate) use file::SiteFile;
pub use shape::SiteStyle;
pub(crate) use shape::is_library;
pub use shim::{CallSite, Frame};
pub use symbols::Symbols;

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
        self.get(id).map_or_else(Vec::new, |site| shape::frames(site, SiteStyle::default(), symbols))
    }

    /// Events that go without their site, since there was no room for more.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// Tells the sites of one process as text, each once.
pub(crate) struct Naming<'a> {
    sites: &'a Sites,
    style: SiteStyle,
    symbols: &'a RefCell<Symbols>,
    told: RefCell<HashMap<u32, Named>>,
}

/// A site as a report has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Named {
    /// Its frames, innermost first.
    pub(crate) frames: Vec<String>,
    /// The operation of ttnn, where a frame tells.
    pub(crate) op: Option<String>,
}

impl<'a> Naming<'a> {
    pub(crate) fn new(sites: &'a Sites, style: SiteStyle, symbols: &'a RefCell<Symbols>) -> Self {
        Self { sites, style, symbols, told: RefCell::default() }
    }

    /// The site of this number; no frames where it is not known.
    pub(crate) fn named(&self, id: u32) -> Named {
        let Some(site) = self.sites.get(id) else { return Named::default() };
        let mut told = self.told.borrow_mut();
        let named = told.entry(id).or_insert_with(|| {
            let mut symbols = self.symbols.borrow_mut();
            Named { frames: shape::frames(site, self.style, &mut symbols), op: shape::operation(site, &mut symbols) }
        });
        named.clone()
    }
}
