//! The last frees: one that matches nothing but one of these is a double free.

use serde::{Deserialize, Serialize};

use crate::{places::Wanted, region::Key};

/// Double frees come soon after the first.
const REMEMBERED: usize = 256;

/// A ring of which each free writes an entry, and which only a free that matches nothing reads.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Recent {
    frees: Vec<(Key, u64)>,
    next: usize,
}

impl Recent {
    /// Whether what was read from a file is what events can give.
    pub(crate) fn is_sound(&self) -> bool {
        self.frees.len() <= REMEMBERED && self.next < REMEMBERED && self.next <= self.frees.len()
    }

    pub(crate) fn note(&mut self, key: Key, id: u64) {
        match self.frees.get_mut(self.next) {
            Some(free) => *free = (key, id),
            None => self.frees.push((key, id)),
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// Two ids must be the same; where one is missing the address decides.
    pub(crate) fn has(&self, wanted: &Wanted) -> bool {
        self.frees.iter().any(|&(key, id)| wanted.fits(&key) && (id == wanted.id || id == 0 || wanted.id == 0))
    }

    /// The same for a free that names no address.
    pub(crate) fn has_id(&self, wanted: &Wanted) -> bool {
        wanted.id != 0 && self.frees.iter().any(|&(key, id)| id == wanted.id && wanted.devices.contains(&key.device))
    }
}
