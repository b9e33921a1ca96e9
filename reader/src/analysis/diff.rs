//! What changed between two moments: two runs, two marks of one, or what regions of one name left.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ttmem_wire::Memory;

use super::{Allocation, Analysis, Held, Loop, Missing, ProcessAnalysis, Undecided};
use crate::{Failure, named, sites::CallSite};

/// What B has other than A.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The first moment.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Allocations that B has more, over all devices. Circular buffers, which overlap, are left out here and below.
    pub allocations_change: i64,
    /// Bytes that B has more.
    pub bytes_change: i64,
    /// The largest change first.
    pub changes: Vec<Change>,
    /// What both have alike.
    pub unchanged: Held,
}

/// One of the two moments.
#[derive(Clone, Debug)]
pub struct Side {
    /// Which file, and which moment of it.
    pub label: String,
    /// What was live then, over all devices.
    pub held: Held,
    /// Of it in the program cache.
    pub cached: Held,
    /// What suppressions cover: left out of the difference.
    pub suppressed: Held,
    /// At the end of processes without a leak: the longest loop that decides nothing, how often it was looked at, and its reason.
    pub undecided: Option<(Loop, u64, Undecided)>,
    /// Why the sums may be wrong, where they may.
    pub incomplete: Option<Incomplete>,
}

/// Why a moment is not known whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// Events are missing.
    Missing(Missing),
    /// A region left more than is listed.
    Listed {
        /// So many are listed.
        listed: u64,
        /// Of so many.
        all: u64,
    },
}

/// What allocations of one memory, call site and size did.
#[derive(Clone, Debug)]
pub struct Change {
    /// What they did.
    pub kind: ChangeKind,
    /// Which memory.
    pub memory: Memory,
    /// Bytes of one allocation.
    pub size: u64,
    /// The call site.
    pub site: Arc<CallSite>,
    /// The devices, each alike.
    pub devices: Vec<i32>,
    /// Allocations in A, on each of them.
    pub in_a: u64,
    /// Allocations in B, on each of them.
    pub in_b: u64,
    /// Bytes that B has more, over these devices.
    pub bytes_change: i64,
    /// The program cache holds all of them.
    pub cached: bool,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A has none.
    Appeared,
    /// B has none.
    Went,
    /// B has more.
    Grew,
    /// B has fewer.
    Shrank,
}

/// What was live at a moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    label: String,
    live: Vec<Allocation>,
    suppressed: Held,
    undecided: Option<(Loop, u64, Undecided)>,
    incomplete: Option<Incomplete>,
}

/// Which runs of a region of the program are compared, of each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// All together.
    All,
    /// The first alone.
    First,
    /// The last alone, which is another than the first.
    Last,
}

impl Snapshot {
    /// The end of all processes: what was live, and what only the closing of devices had released before.
    pub fn at_end(analysis: Analysis, label: String) -> Self {
        let incomplete = incomplete(&analysis);
        let verdicts = analysis.processes.iter().map(|process| &process.verdict).filter(|one| one.leaks.is_empty());
        let undecided = verdicts.filter_map(|verdict| verdict.beside.undecided.clone()).max_by_key(|one| one.1);
        let live = analysis.processes.into_iter().flat_map(|process| {
            let ProcessAnalysis { live, released_at_close, .. } = process;
            live.into_iter().chain(released_at_close)
        });
        Self { undecided, ..Self::new(label, live, incomplete) }
    }

    /// A mark: `name`, or `name:N` for the Nth of that name, from 1; of a name that comes often the first, or the last. Of several
    /// processes that have it, all count.
    ///
    /// # Errors
    /// If no process has it, or what was live then is not known.
    pub fn at_mark(analysis: Analysis, name: &str, is_last: bool, label: String) -> Result<Self, Failure> {
        let incomplete = incomplete(&analysis);
        let names =
            |process: &ProcessAnalysis| -> Vec<String> { process.marks.iter().map(|mark| mark.name.clone()).collect() };
        let mut live = Vec::new();
        let mut is_known = false;
        let mut all: Vec<String> = Vec::new();
        for process in analysis.processes {
            let marks = names(&process);
            let found = named::find(&marks.iter().map(String::as_str).collect::<Vec<_>>(), name);
            all.extend(marks);
            let Some(&at) = (if is_last { found.last() } else { found.first() }) else { continue };
            is_known = true;
            let Some(mark) = process.marks.into_iter().nth(at) else { continue };
            live.extend(mark.live.ok_or_else(|| {
                Failure::new(format!(
                    "{label}: lists no allocations at marks; make the report with --live-at-marks, or record the run"
                ))
            })?);
        }
        if !is_known {
            let names = named::some_of(all.iter().map(String::as_str)).unwrap_or_else(|| "none".to_owned());
            return Err(Failure::new(format!("{label}: no mark {name:?}; it has {names}")));
        }
        Ok(Self::new(format!("{label} at {name}"), live, incomplete))
    }

    /// What regions of the program of that name left, or `name:N` the Nth; over all processes.
    ///
    /// # Errors
    /// If no process had one; or the first and the last are asked for and there is but one.
    pub fn left_by_region(mut analysis: Analysis, name: &str, runs: Runs, label: String) -> Result<Self, Failure> {
        analysis.select_region(name).map_err(|why| Failure::new(format!("{label}: {why}")))?;
        let label = match runs {
            Runs::All => format!("what {name} left in {label}"),
            Runs::First | Runs::Last => {
                // One that ran once has nothing to compare.
                analysis.processes.retain(|process| process.regions.len() > 1);
                if analysis.processes.is_empty() {
                    let why = format!("{label}: {name:?} ran once; name another file to compare it with");
                    return Err(Failure::new(why));
                }
                for regions in analysis.processes.iter_mut().map(|process| &mut process.regions) {
                    if runs == Runs::Last {
                        regions.reverse();
                    }
                    regions.truncate(1);
                }
                let which = if runs == Runs::Last { "last" } else { "first" };
                format!("what the {which} {name} left in {label}")
            }
        };
        let mut incomplete = incomplete(&analysis);
        let mut live = Vec::new();
        let regions = analysis.processes.into_iter().flat_map(|process| process.regions);
        for region in regions.filter(|region| runs != Runs::All || !region.is_recursive) {
            let (all, listed) = (region.left.allocations, region.left_allocations.len() as u64);
            if listed < all && incomplete.is_none() {
                incomplete = Some(Incomplete::Listed { listed, all });
            }
            live.extend(region.left_allocations);
        }
        Ok(Self::new(label, live, incomplete))
    }

    /// What suppressions cover is left out.
    fn new(label: String, live: impl IntoIterator<Item = Allocation>, incomplete: Option<Incomplete>) -> Self {
        let (live, suppressed): (Vec<_>, Vec<_>) = live.into_iter().partition(|one| one.suppressed_by.is_none());
        Self { label, live, suppressed: Held::of(buffers(&suppressed)), undecided: None, incomplete }
    }

    fn side(&self) -> Side {
        Side {
            label: self.label.clone(),
            held: Held::of(buffers(&self.live)),
            cached: Held::of(buffers(&self.live).filter(|one| one.cached)),
            suppressed: self.suppressed,
            undecided: self.undecided.clone(),
            incomplete: self.incomplete,
        }
    }
}

/// What is in the sums: program memory overlaps.
fn buffers(all: &[Allocation]) -> impl Iterator<Item = &Allocation> {
    all.iter().filter(|one| !one.memory.is_of_programs())
}

fn incomplete(analysis: &Analysis) -> Option<Incomplete> {
    analysis.processes.iter().find_map(|process| process.verdict.missing).map(Incomplete::Missing)
}

/// How many in A and B, and whether any of them is not the program cache's.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Numbers {
    a: u64,
    b: u64,
    is_owned: bool,
}

/// Compares two moments. Call sites are compared by the user's frames, or by all of them.
pub fn difference(a: &Snapshot, b: &Snapshot, full_stacks: bool) -> Difference {
    let mut sites = Sites { full_stacks, ..Sites::default() };
    let mut kinds: BTreeMap<(Memory, usize, u64), BTreeMap<i32, Numbers>> = BTreeMap::new();
    for (is_a, live) in [(true, &a.live), (false, &b.live)] {
        for one in live {
            let kind = (one.memory, sites.number(one), one.size);
            let numbers = kinds.entry(kind).or_default().entry(one.device).or_default();
            *(if is_a { &mut numbers.a } else { &mut numbers.b }) += 1;
            numbers.is_owned |= !one.cached;
        }
    }
    let mut changes = Vec::new();
    let mut unchanged = Held::default();
    for ((memory, site, size), devices) in kinds {
        for group in super::alike(devices, |one| one.0, |one| one.1) {
            let Numbers { a, b, is_owned } = group.first.1;
            let number = group.devices.len() as u64;
            if !memory.is_of_programs() {
                let same = a.min(b).saturating_mul(number);
                unchanged.add(same, same.saturating_mul(size));
            }
            let kind = match (a, b) {
                (0, _) => ChangeKind::Appeared,
                (_, 0) => ChangeKind::Went,
                _ if a < b => ChangeKind::Grew,
                _ if a > b => ChangeKind::Shrank,
                _ => continue,
            };
            let more = signed(b.saturating_mul(number)) - signed(a.saturating_mul(number));
            changes.push(Change {
                kind,
                memory,
                size,
                site: sites.all[site].clone(),
                devices: group.devices,
                in_a: a,
                in_b: b,
                bytes_change: more.saturating_mul(signed(size)),
                cached: !is_owned,
            });
        }
    }
    changes.sort_by_key(|change| (change.memory.is_of_programs(), Reverse(change.bytes_change.unsigned_abs())));
    let buffers = || changes.iter().filter(|change| !change.memory.is_of_programs());
    let allocations_change = buffers().fold(0_i64, |sum, change| {
        let more = signed(change.in_b) - signed(change.in_a);
        sum.saturating_add(more.saturating_mul(change.devices.len() as i64))
    });
    let bytes_change = buffers().fold(0_i64, |sum, change| sum.saturating_add(change.bytes_change));
    Difference { a: a.side(), b: b.side(), allocations_change, bytes_change, changes, unchanged }
}

/// The call sites of both moments, each that reads alike once.
#[derive(Default)]
struct Sites {
    full_stacks: bool,
    all: Vec<Arc<CallSite>>,
    known: HashMap<usize, usize>,
    readings: HashMap<Vec<String>, usize>,
}

impl Sites {
    fn number(&mut self, one: &Allocation) -> usize {
        let Self { full_stacks, all, known, readings } = self;
        *known.entry(one.site_key()).or_insert_with(|| {
            let reading = if *full_stacks {
                one.site.frames.iter().map(ToString::to_string).collect()
            } else {
                one.site.users().map(ToString::to_string).collect()
            };
            *readings.entry(reading).or_insert_with(|| {
                all.push(one.site.clone());
                all.len() - 1
            })
        })
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
