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
mod tensor;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ttmem_recording::{Site, Tensor};

use crate::visible::visible;

pub use apart::tell_apart;
pub use call_site::{CallSite, Frame};
pub(crate) use file::SiteFile;
pub use origin::Origin;
pub use symbols::Symbols;
pub(crate) use tensor::{TensorText, memory_layout_number, short_dtype};

/// How call sites are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteStyle {
    /// All frames, those of ttnn and tt-metal too.
    pub full: bool,
    /// C++ names as the file has them.
    pub raw_names: bool,
}

/// Sites and tensors of one process as text, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct SiteTexts {
    /// Each with the user's frames as text, innermost first.
    pub sites: HashMap<u32, (CallSite, Vec<String>)>,
    /// What tensors are, and the same as text.
    pub tensors: HashMap<u32, (Arc<Tensor>, String)>,
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

    /// The tensor of this number.
    pub(crate) fn tensor(&self, id: u32) -> Option<Arc<Tensor>> {
        self.get(id)?.tensor.clone()
    }

    /// All that are known.
    pub(crate) fn known(&self) -> &BTreeMap<u32, Site> {
        &self.known
    }

    /// All that are known as text, in the default style.
    pub fn texts(&self) -> SiteTexts {
        let named = self.named().into_iter();
        let sites = named.map(|(id, site)| (id, (site.clone(), site.texts()))).collect();
        let typed = self.tensors().filter_map(|(id, text)| Some((id, (self.tensor(id)?, text))));
        SiteTexts { sites, tensors: typed.collect() }
    }

    /// All tensors that are known as text.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (u32, String)> {
        self.known.iter().filter_map(|(&id, site)| Some((id, TensorText(site.tensor.as_deref()?).to_string())))
    }

    /// All that are known with their names, in the default style.
    pub(crate) fn named(&self) -> HashMap<u32, CallSite> {
        let mut symbols = Symbols::default();
        let mut name = |&id| Some((id, self.call_site(id, SiteStyle::default(), &mut symbols)?));
        self.known.keys().filter_map(&mut name).collect()
    }

    /// One with its names; `None` where it is not known.
    pub(crate) fn call_site(&self, id: u32, style: SiteStyle, symbols: &mut Symbols) -> Option<CallSite> {
        let site = self.get(id)?;
        let op = operation::operation(site, symbols).map(|op| visible(&op).into_owned());
        Some(CallSite::new(site, op, style, symbols))
    }

    /// Events that go without their site, since there was no room for more.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
