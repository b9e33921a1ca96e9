//! How many allocations each source has made.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use super::{Source, track::FAR};

/// Sources that are counted; births of others are not known.
const MAX_SOURCES: usize = 8192;

/// Memory, site and flag in one number, and the size: every new allocation looks here.
type Kind = (u64, u64);

/// Births by source.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Births(HashMap<Kind, u64, RandomState>);

fn kind(memory: Memory, site: u32, size: u64, is_cached: bool) -> Kind {
    (u64::from(site) << 32 | u64::from(memory.code()) << 8 | u64::from(is_cached), size)
}

impl Births {
    #[inline]
    pub(super) fn note(&mut self, memory: Memory, site: u32, size: u64, is_cached: bool) {
        let kind = kind(memory, site, size, is_cached);
        if let Some(count) = self.0.get_mut(&kind) {
            *count += 1;
        } else if self.0.len() < MAX_SOURCES {
            self.0.insert(kind, 1);
        }
    }

    /// Births of a source of one size.
    pub(super) fn of(&self, source: &Source) -> u64 {
        let size = source.size.unwrap_or_default();
        self.0.get(&kind(source.memory, source.site, size, source.cached)).copied().unwrap_or_default()
    }

    /// Births of sources of any size.
    pub(super) fn of_any_size(&self) -> impl Fn(&Source) -> u64 {
        let mut all: HashMap<u64, u64, RandomState> = HashMap::default();
        for (&(kind, _), &births) in &self.0 {
            *all.entry(kind).or_default() += births;
        }
        move |source| {
            let (kind, _) = kind(source.memory, source.site, 0, source.cached);
            all.get(&kind).copied().unwrap_or_default()
        }
    }

    pub(super) fn are_sound(&self) -> bool {
        self.0.len() <= MAX_SOURCES && self.0.values().all(|&count| count < FAR)
    }
}
