//! Things that are written once and named by their number.

use std::{borrow::Borrow, hash::Hash};

use foldhash::fast::RandomState;
use indexmap::IndexSet;

#[derive(Clone, Debug)]
pub(super) struct Once<T> {
    pub(super) all: IndexSet<T, RandomState>,
    /// Most often the next one too.
    last: usize,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self { all: IndexSet::default(), last: 0 }
    }
}

impl<T: Clone + Eq + Hash> Once<T> {
    pub(super) fn number(&mut self, thing: T) -> usize {
        self.last = self.all.insert_full(thing).0;
        self.last
    }

    /// The same of what is borrowed; it is copied only where it is new.
    pub(super) fn number_of<Q>(&mut self, thing: &Q) -> usize
    where
        T: Borrow<Q>,
        Q: ToOwned<Owned = T> + Eq + Hash + ?Sized,
    {
        if self.all.get_index(self.last).map(Borrow::borrow) != Some(thing) {
            self.last = self.all.get_index_of(thing).unwrap_or_else(|| self.all.insert_full(thing.to_owned()).0);
        }
        self.last
    }
}
