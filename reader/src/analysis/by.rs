//! What is live, added up: `--by site|op|size|shape|dtype|device|memory|generation`.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use clap::ValueEnum;
use ttmem_ledger::series_name;
use ttmem_wire::Memory;

use super::{Allocation, Held, Loop, ProcessAnalysis};
use crate::sites::CallSite;

/// What allocations are added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The call site.
    Site,
    /// The ttnn operation.
    Op,
    /// Bytes of one allocation.
    Size,
    /// The shape of the tensor.
    Shape,
    /// The data type of the tensor.
    Dtype,
    /// The device.
    Device,
    /// The memory.
    Memory,
    /// The iteration in which they were made, by the marks of the longest loop.
    Generation,
}

/// What one row has in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A call site; without frames where it is not known.
    Site(Arc<CallSite>),
    /// An operation, where it is known.
    Op(Option<Arc<str>>),
    /// Bytes of one allocation.
    Size(u64),
    /// The shape of the tensor, where it is known.
    Shape(Option<Vec<u32>>),
    /// The data type of the tensor, where it is known.
    Dtype(Option<Arc<str>>),
    /// A device.
    Device(i32),
    /// A memory.
    Memory(Memory),
    /// The marks of the loop that were passed before; `None` where there is no loop.
    Generation(Option<u64>),
}

/// A row: allocations with something in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What they have in common.
    pub key: Key,
    /// How many, and their bytes, over all devices.
    pub held: Held,
    /// Of these, what the program cache holds.
    pub cached: Held,
}

/// Adds up what is live; program memory, which overlaps, is left out. The largest first, generations in their order.
pub fn rows(process: &ProcessAnalysis, live: &[Allocation], by: By) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    for one in live.iter().filter(|one| !one.memory.is_of_programs()) {
        let looks = &process.looks_ns;
        let generation = || (!looks.is_empty()).then(|| looks.partition_point(|&at| at <= one.at_ns) as u64);
        let key = match by {
            By::Site => Key::Site(one.site.clone()),
            By::Op => Key::Op(one.site.op.clone()),
            By::Size => Key::Size(one.size),
            By::Shape => Key::Shape(one.tensor.as_ref().map(|tensor| tensor.shape.clone())),
            By::Dtype => Key::Dtype(one.tensor.as_ref().map(|tensor| tensor.dtype.clone())),
            By::Device => Key::Device(one.device),
            By::Memory => Key::Memory(one.memory),
            By::Generation => Key::Generation(generation()),
        };
        let at = *places.entry(key.clone()).or_insert_with(|| {
            rows.push(Row { key, held: Held::default(), cached: Held::default() });
            rows.len() - 1
        });
        rows[at].held.add(1, one.size);
        if one.cached {
            rows[at].cached.add(1, one.size);
        }
    }
    match by {
        By::Generation => rows.sort_by_key(|row| match row.key {
            Key::Generation(number) => number,
            _ => None,
        }),
        _ => rows.sort_by_key(|row| Reverse(row.held.bytes)),
    }
    rows
}

/// When the marks of the loop with the most iterations were passed.
pub(super) fn looks(process: &ProcessAnalysis) -> Vec<u64> {
    let loops = process.growth.iter().filter_map(|growth| match &growth.point {
        Loop::Marks(name) => Some((growth.iterations, name)),
        _ => None,
    });
    let Some((_, name)) = loops.max_by_key(|&(iterations, _)| iterations) else { return Vec::new() };
    process.marks.iter().filter(|mark| series_name(&mark.name) == *name).map(|mark| mark.at_ns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Analysis, Course, Growth, MarkedMoment, Suppressions};

    #[test]
    fn generations_at_a_mark_are_those_of_the_whole_loop() {
        let mark =
            |at: u64| MarkedMoment { name: format!("step {at}"), at_ns: 100 * at, totals: Vec::new(), live: None };
        let born = |at_ns: u64| Allocation { at_ns, ..Allocation::example() };
        let growth = vec![Growth::example(Loop::Marks("step #".into()), Course::Baseline)];
        let mut process = ProcessAnalysis::example(Vec::new(), growth);
        process.marks = (1..6).map(mark).collect();
        let mut analysis = Analysis::of(vec![process], &Suppressions::default());
        analysis.select_mark("step 3").expect("it was passed");
        let live = [born(50), born(150), born(250), born(251)];
        let rows = rows(&analysis.processes[0], &live, By::Generation);
        let generations: Vec<_> = rows.into_iter().map(|row| (row.key, row.held.allocations)).collect();
        let generation = |number| Key::Generation(Some(number));
        assert_eq!(generations, [(generation(0), 1), (generation(1), 1), (generation(2), 2)]);
    }
}
