//! What a process allocated in all: how often, how much, in which sizes, from where, and how much of it was short-lived.
//!
//! Kept only where somebody asks for it, since every event pays. An allocation is one of one device: a tensor on a mesh of 32
//! chips is 32. It counts when it comes to life, with the bytes of its first report; further owners add nothing. Circular
//! buffers are left out, as their bytes are a union.
//!
//! An allocation is short-lived if it was freed before the program's next mark; where the program sets no marks, before
//! [`SHORT_LIFE`] further allocations, one on a mesh counted once (memray's "temporary allocations" are of that kind). Both go
//! by the time stamps of births. What a close releases was not freed.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use foldhash::fast::RandomState;
use ttmem_wire::Memory;

use crate::{Amount, peak::MadeBy, region::Region};

/// Further allocations before which a short-lived one is freed, where the program sets no marks. One on a mesh counts once.
pub const SHORT_LIFE: usize = 256;

/// Sources that are told apart: all of a program, unless it has more call sites. What comes from others is counted together.
const MAX_SOURCES: usize = 65_536;

/// What was allocated in all, in one memory or in all memories, over all devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// How many allocations, and their bytes.
    pub amount: Amount,
    /// The same of those that were short-lived.
    pub short_lived: Amount,
    /// How many by size: entry `n` has those of 2^n bytes or more, and less than 2^(n+1). Those without bytes are in entry 0.
    pub sizes: [u64; 64],
}

/// What was allocated in all by one source: one call site, in one memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceStatistics {
    /// In which memory.
    pub memory: Memory,
    /// The interned call site, 0 for none.
    pub site: u32,
    /// Bytes of each allocation; `None` where they differ.
    pub size: Option<u64>,
    /// Whether the program cache held them.
    pub cached: bool,
    /// How many, and their bytes.
    pub amount: Amount,
    /// The same of those that were short-lived.
    pub short_lived: Amount,
}

/// Before what an allocation must be freed to be short-lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortLife {
    /// The next mark: the program set some.
    Mark,
    /// [`SHORT_LIFE`] further allocations: it set none.
    Allocations,
}

/// All that was allocated. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Statistics {
    memories: BTreeMap<Memory, BySize>,
    sources: HashMap<Kind, FromSource, RandomState>,
    others: Counts,
    is_whole: bool,
    recent: Recent,
}

/// What sources are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    memory: Memory,
    by: MadeBy,
}

#[derive(Clone, Copy, Debug)]
struct FromSource {
    counts: Counts,
    /// Of each of them, unless they differ.
    size: Option<u64>,
}

/// Counts with their sizes.
#[derive(Clone, Debug)]
struct BySize {
    counts: Counts,
    sizes: [u64; 64],
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    all: Amount,
    /// Freed before the next mark. Whether there are marks at all is known in the end only.
    before_mark: Amount,
    /// Freed before so many further allocations.
    before_births: Amount,
}

impl Counts {
    fn short_lived(&self, life: ShortLife) -> Amount {
        match life {
            ShortLife::Mark => self.before_mark,
            ShortLife::Allocations => self.before_births,
        }
    }

    fn add_short_lived(&mut self, bytes: u64, (before_mark, before_births): (bool, bool)) {
        if before_mark {
            self.before_mark.add(bytes);
        }
        if before_births {
            self.before_births.add(bytes);
        }
    }
}

/// What is young.
#[derive(Clone, Debug, Default)]
struct Recent {
    marks: u64,
    /// The latest birth, and the latest before the latest mark, if there was any.
    latest: Option<u64>,
    marked: Option<u64>,
    /// The latest births, those of one time stamp once; `next` is the oldest of them once there are [`SHORT_LIFE`].
    births: Vec<u64>,
    next: usize,
}

impl Recent {
    fn note(&mut self, birth: u64) {
        if self.latest == Some(birth) {
            // Of the same event, on another device.
            return;
        }
        self.latest = self.latest.max(Some(birth));
        if self.births.len() < SHORT_LIFE {
            self.births.push(birth);
        } else {
            self.births[self.next] = birth;
            self.next = (self.next + 1) % SHORT_LIFE;
        }
    }

    fn mark(&mut self) {
        self.marks += 1;
        self.marked = self.latest;
    }

    /// Whether one that was born then has met no mark since, and fewer than so many births.
    fn is_young(&self, birth: u64) -> (bool, bool) {
        let is_recent = self.births.len() < SHORT_LIFE || birth >= self.births[self.next];
        (self.marked.is_none_or(|marked| birth > marked), is_recent)
    }
}

impl Statistics {
    /// `is_whole`: no event came before.
    pub(crate) fn new(is_whole: bool) -> Self {
        Self {
            memories: BTreeMap::new(),
            sources: HashMap::default(),
            others: Counts::default(),
            is_whole,
            recent: Recent::default(),
        }
    }

    /// The program passed a mark.
    pub(crate) fn mark(&mut self) {
        self.recent.mark();
    }

    /// An allocation came to life.
    pub(crate) fn born(&mut self, memory: Memory, region: &Region) {
        let (by, bytes) = (region.made_by(), region.extent().bytes);
        self.recent.note(region.ticks);
        let in_memory = self.memories.entry(memory).or_insert(BySize { counts: Counts::default(), sizes: [0; 64] });
        in_memory.counts.all.add(bytes);
        in_memory.sizes[bytes.max(1).ilog2() as usize] += 1;
        let source = Kind { memory, by };
        if let Some(from) = self.sources.get_mut(&source) {
            from.counts.all.add(bytes);
            from.size = from.size.filter(|&known| known == bytes);
        } else if self.sources.len() < MAX_SOURCES {
            let mut from = FromSource { counts: Counts::default(), size: Some(bytes) };
            from.counts.all.add(bytes);
            self.sources.insert(source, from);
        } else {
            self.others.all.add(bytes);
        }
    }

    /// An allocation was freed.
    pub(crate) fn freed(&mut self, memory: Memory, region: &Region) {
        let (by, bytes) = (region.made_by(), region.extent().bytes);
        let young = self.recent.is_young(region.ticks);
        if young == (false, false) {
            return;
        }
        if let Some(in_memory) = self.memories.get_mut(&memory) {
            in_memory.counts.add_short_lived(bytes, young);
        }
        let source = Kind { memory, by };
        let counts = self.sources.get_mut(&source).map_or(&mut self.others, |from| &mut from.counts);
        counts.add_short_lived(bytes, young);
    }

    /// Whether they have all events of the process: they were asked for before the first.
    pub fn are_whole(&self) -> bool {
        self.is_whole
    }

    /// What makes an allocation short-lived in this process.
    pub fn short_life(&self) -> ShortLife {
        if self.recent.marks > 0 { ShortLife::Mark } else { ShortLife::Allocations }
    }

    /// What was allocated in each memory, over all devices.
    pub fn memories(&self) -> impl Iterator<Item = (Memory, Allocated)> {
        let life = self.short_life();
        self.memories.iter().map(move |(&memory, BySize { counts, sizes })| {
            (memory, Allocated { amount: counts.all, short_lived: counts.short_lived(life), sizes: *sizes })
        })
    }

    /// What was allocated in all memories together.
    pub fn all(&self) -> Allocated {
        let nothing = Allocated { amount: Amount::default(), short_lived: Amount::default(), sizes: [0; 64] };
        self.memories().fold(nothing, |mut all, (_, of)| {
            all.amount.add_all(of.amount);
            all.short_lived.add_all(of.short_lived);
            all.sizes.iter_mut().zip(of.sizes).for_each(|(all, of)| *all += of);
            all
        })
    }

    /// The sources that allocated most often, or most in bytes, or of which most were short-lived: by what `rank` gives, the
    /// highest first, `count` of them at most.
    pub fn top<R: Ord>(&self, count: usize, rank: impl Fn(&SourceStatistics) -> R) -> Vec<SourceStatistics> {
        let life = self.short_life();
        let shown = |(source, from): (&Kind, &FromSource)| SourceStatistics {
            memory: source.memory,
            site: source.by.site,
            size: from.size,
            cached: source.by.cached,
            amount: from.counts.all,
            short_lived: from.counts.short_lived(life),
        };
        let mut sources: Vec<SourceStatistics> = self.sources.iter().map(shown).collect();
        sources.sort_by_key(|source| (Reverse(rank(source)), source.memory, source.site, source.size, source.cached));
        sources.truncate(count);
        sources
    }

    /// How many sources are told apart.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }

    /// What came from sources that are not told apart, since the program has too many.
    pub fn others(&self) -> Amount {
        self.others.all
    }
}
