//! Things that are written once and named by their number.

use std::{collections::HashMap, hash::Hash};

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
        if self.all.get(self.last) != Some(&thing) {
            self.last = *self.numbers.entry(thing).or_insert_with_key(|thing| {
                self.all.push(thing.clone());
                self.all.len() - 1
            });
        }
        self.last
    }
}
