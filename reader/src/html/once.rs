//! Things that are written once and named by their number.

use std::{borrow::Borrow, hash::Hash};

use foldhash::{HashMap, HashMapExt};

#[derive(Clone, Debug)]
pub(super) struct Once<T> {
    pub(super) all: Vec<T>,
    numbers: HashMap<T, usize>,
    /// Most often the next one too.
    last: usize,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self { all: Vec::new(), numbers: HashMap::new(), last: 0 }
    }
}

impl<T: Clone + Eq + Hash> Once<T> {
    pub(super) fn number(&mut self, thing: T) -> usize {
        self.number_of(&thing)
    }

    /// The same of what is borrowed; it is copied only where it is new.
    pub(super) fn number_of<Q>(&mut self, thing: &Q) -> usize
    where
        T: Borrow<Q>,
        Q: ToOwned<Owned = T> + Eq + Hash + ?Sized,
    {
        if self.all.get(self.last).map(Borrow::borrow) != Some(thing) {
            self.last = self.numbers.get(thing).copied().unwrap_or_else(|| {
                self.all.push(thing.to_owned());
                self.numbers.insert(thing.to_owned(), self.all.len() - 1);
                self.all.len() - 1
            });
        }
        self.last
    }
}
