//! What allocations would have come to, for scripts: schema `ttmem-whatif/1`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    analysis::{PlacedMemory, PlacementCourse, Question, RefusedRequest, WhatIf},
    report::words::whatif as sentences,
};

/// The name of the schema.
const SCHEMA: &str = "ttmem-whatif/1";

/// The same requests, placed in another way.
#[derive(Clone, Debug, Serialize)]
pub struct WhatIfReport {
    /// Always `ttmem-whatif/1`.
    pub schema: &'static str,
    /// How requests are placed: `first-fit`, `best-fit` or `worst-fit`.
    pub policy: &'static str,
    /// Bytes of each bank, by memory, where they are to be others.
    pub sizes: BTreeMap<String, u64>,
    /// Call sites that allocate nothing.
    pub without: Vec<String>,
    /// Call sites that free what they allocated before when they allocate again.
    pub free_early: Vec<String>,
    /// The processes.
    pub processes: Vec<WhatIfProcess>,
}

/// One process.
#[derive(Clone, Debug, Serialize)]
pub struct WhatIfProcess {
    /// Its process id.
    pub pid: u32,
    /// Its command line, arguments separated by spaces.
    pub command: String,
    /// Its memories, by allocator.
    pub memories: Vec<WhatIfMemory>,
}

/// One memory of one allocator.
#[derive(Clone, Debug, Serialize)]
pub struct WhatIfMemory {
    /// The devices of the allocator.
    pub devices: Vec<i32>,
    /// Which memory.
    pub memory: String,
    /// Allocations whose place is known.
    pub allocations: u64,
    /// Of these, those that lie where tt-metal's policy puts them.
    pub as_predicted: u64,
    /// Allocations that are not in the figures.
    pub left_out: u64,
    /// How it was.
    pub was: WhatIfCourse,
    /// How it would have been.
    pub would: WhatIfCourse,
    /// Of the requests that were refused, how many would fit.
    pub refused_that_fit: u64,
    /// Requests that were refused; the first 100.
    pub refused: Vec<WhatIfRequest>,
    /// Requests that fitted, and would be refused; the first 100.
    pub newly_refused: Vec<WhatIfRequest>,
}

/// How full a memory was over time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WhatIfCourse {
    /// Bytes of a bank.
    pub capacity_per_bank: u64,
    /// The most that was in use of it.
    pub peak_per_bank: u64,
    /// The smallest that its largest free block ever was.
    pub least_largest_free_block_per_bank: u64,
    /// Requests that found no block.
    pub refusals: u64,
}

/// A request that was refused, or would be.
#[derive(Clone, Debug, Serialize)]
pub struct WhatIfRequest {
    /// Bytes on a device.
    pub size: u64,
    /// Bytes in each bank.
    pub size_per_bank: u64,
    /// When: ns since 1970.
    pub at_ns: u64,
    /// The operation of ttnn, where it is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// The call site, innermost frame first; empty where it is not known.
    pub site: Vec<String>,
    /// Whether it would fit.
    pub fits: bool,
    /// The largest free block then, as it would be.
    pub largest_free_block_per_bank: u64,
}

impl WhatIfReport {
    /// The report on what each process would have come to.
    pub fn new(question: &Question, all: &[WhatIf]) -> Self {
        let sizes = question.sizes.iter().map(|(memory, &bytes)| (memory.to_string(), bytes));
        let processes = all.iter().map(|one| WhatIfProcess {
            pid: one.pid,
            command: one.command.join(" "),
            memories: one.memories.iter().map(WhatIfMemory::new).collect(),
        });
        Self {
            schema: SCHEMA,
            policy: sentences::policy(question.policy),
            sizes: sizes.collect(),
            without: question.without.clone(),
            free_early: question.free_early.clone(),
            processes: processes.collect(),
        }
    }
}

impl WhatIfMemory {
    fn new(of: &PlacedMemory) -> Self {
        let [was, would] = [0, 1].map(|at| WhatIfCourse::new(of.capacity[at], of.courses[at]));
        Self {
            devices: of.devices.clone(),
            memory: of.memory.to_string(),
            allocations: of.allocations,
            as_predicted: of.as_predicted,
            left_out: of.left_out,
            was,
            would,
            refused_that_fit: of.refused_that_fit,
            refused: of.refused.iter().map(WhatIfRequest::new).collect(),
            newly_refused: of.newly_refused.iter().map(WhatIfRequest::new).collect(),
        }
    }
}

impl WhatIfCourse {
    fn new(capacity_per_bank: u64, course: PlacementCourse) -> Self {
        Self {
            capacity_per_bank,
            peak_per_bank: course.peak,
            least_largest_free_block_per_bank: course.least_block,
            refusals: course.refusals,
        }
    }
}

impl WhatIfRequest {
    fn new(of: &RefusedRequest) -> Self {
        Self {
            size: of.size,
            size_per_bank: of.per_bank,
            at_ns: of.at_ns,
            op: of.op.clone(),
            site: of.frames.clone(),
            fits: of.fits,
            largest_free_block_per_bank: of.largest_block,
        }
    }
}
