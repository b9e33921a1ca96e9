//! What a process has reported of itself.

use serde::{Deserialize, Serialize};
use ttmem_wire::{Fact, MAX_MARK_BYTES, Part};

/// What a process has reported of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its number among the processes of its job.
    pub rank: Option<u32>,
    /// The version of ttnn in it.
    pub ttnn: Option<String>,
    /// Parts of its tt-metal that the library does not see, in the order of [`Part`].
    pub unseen: Vec<Part>,
}

impl Facts {
    pub(crate) fn take(&mut self, fact: Fact) {
        match fact {
            Fact::Rank(rank) => self.rank = Some(rank),
            Fact::Ttnn(version) => self.ttnn = Some(version),
            Fact::Unseen(part) => {
                if let Err(place) = self.unseen.binary_search(&part) {
                    self.unseen.insert(place, part);
                }
            }
        }
    }

    /// Whether what was read from a file is what events can give.
    pub(crate) fn is_sound(&self) -> bool {
        self.ttnn.as_ref().is_none_or(|version| version.len() <= MAX_MARK_BYTES)
            && self.unseen.is_sorted_by(|a, b| a < b)
    }
}

#[cfg(test)]
mod tests {
    use ttmem_wire::{Event, split_mark};

    use super::*;
    use crate::Account;

    fn account(facts: &[Fact]) -> Account {
        let mut account = Account::new(false);
        for fact in facts {
            split_mark(fact.mark().as_bytes()).for_each(|part| account.apply(&Event { thread: 7, ..part }, |_| None));
        }
        account
    }

    #[test]
    fn facts_are_kept_and_are_no_marks_for_people() {
        let unseen = [Part::Clashes, Part::Tensors, Part::Clashes].map(Fact::Unseen);
        let account = account(&[&[Fact::Rank(3), Fact::Ttnn("0.82.0".to_owned())], &unseen[..]].concat());
        let expected =
            Facts { rank: Some(3), ttnn: Some("0.82.0".to_owned()), unseen: vec![Part::Tensors, Part::Clashes] };
        assert_eq!((account.facts(), account.marks().len()), (&expected, 0));
        let saved = account.save(Vec::new()).unwrap();
        assert_eq!(Account::restore(&saved, false).unwrap().facts(), &expected);
    }

    #[test]
    fn a_list_that_no_event_makes_is_not_sound() {
        let unseen = vec![Part::Tensors, Part::Tensors];
        assert!(!Facts { unseen, ..Facts::default() }.is_sound());
        let ttnn = Some("x".repeat(MAX_MARK_BYTES + 1));
        assert!(!Facts { ttnn, ..Facts::default() }.is_sound());
        assert!(Facts::default().is_sound());
    }
}
