//! What a process reports of itself once: a mark of a reserved syntax, `\x1ffact:WHAT:VALUE`.

use std::ffi::CStr;

use crate::Part;

/// Variables by which launchers number the processes of a job; the first one that is set counts. The order is that of tt-metal's own
/// triage tool: the last is unique within a mesh alone.
pub const RANK_VARIABLES: [&CStr; 5] =
    [c"OMPI_COMM_WORLD_RANK", c"PMI_RANK", c"SLURM_PROCID", c"PMIX_RANK", c"TT_MESH_HOST_RANK"];

const PREFIX: &str = "\u{1f}fact:";

/// Of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Its number among the processes of its job.
    Rank(u32),
    /// The version of ttnn in it.
    Ttnn(String),
    /// A part of its tt-metal that the library does not see.
    Unseen(Part),
}

impl Fact {
    /// The mark that has it.
    pub fn mark(&self) -> String {
        match self {
            Self::Rank(rank) => format!("{PREFIX}rank:{rank}"),
            Self::Ttnn(version) => format!("{PREFIX}ttnn:{version}"),
            Self::Unseen(part) => format!("{PREFIX}unseen:{part}"),
        }
    }

    /// The fact that a mark has; `None` of other marks, and of what a later version reports.
    pub fn read(mark: &str) -> Option<Self> {
        let (what, value) = mark.strip_prefix(PREFIX)?.split_once(':')?;
        match what {
            "rank" => value.parse().ok().map(Self::Rank),
            "ttnn" => Some(Self::Ttnn(value.to_owned())),
            "unseen" => Part::named(value).map(Self::Unseen),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_MARK_BYTES;

    #[test]
    fn each_fact_is_read_as_it_was_written() {
        let parts = Part::ALL.into_iter().map(Fact::Unseen);
        for fact in parts.chain([Fact::Rank(0), Fact::Rank(u32::MAX), Fact::Ttnn("0.82.0.dev1+g:a".to_owned())]) {
            assert!(fact.mark().len() <= MAX_MARK_BYTES);
            assert_eq!(Fact::read(&fact.mark()), Some(fact));
        }
        for other in
            ["rank:1", "\u{1f}fact:rank:-1", "\u{1f}fact:unseen:minds", "\u{1f}fact:age:7", "\u{1f}sync:rank:1"]
        {
            assert_eq!(Fact::read(other), None, "{other:?}");
        }
    }
}
