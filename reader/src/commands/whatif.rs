//! `ttmem whatif`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use ttmem_ledger::Policy;
use ttmem_wire::Memory;

use super::{
    judge::parse_size,
    output::{self, StackOptions},
};
use crate::{
    Failure, ProcessName,
    analysis::{Question, what_if},
    replay::{Input, Steps},
    report::{WhatIfReport, write_what_if},
    visible::visible_json,
};

/// Place a recording's allocations in another way: would it have fitted, and what would the peak be?
///
/// Replays each allocator twice: as it was, and as the options say. Prints how many allocations lie where tt-metal's policy,
/// first-fit, puts them: of a recording that has all events these are all. What a program would have done after a request that
/// fits now, or fits no longer, is not known; the replay goes on with the recorded events.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ttmem whatif run.ttmem --policy best-fit
  ttmem whatif run.ttmem --size L1=1MiB            (would it fit a smaller L1?)
  ttmem whatif run.ttmem --without model.py:41     (and without this cache?)
  ttmem whatif run.ttmem --free-early model.py:88  (deallocate before allocating)
  ttmem whatif run.ttmem --policy best-fit --json - | jq .processes[0].memories")]
pub(super) struct WhatIfFile {
    /// Take the free block that POLICY says.
    #[arg(long, value_enum, default_value = "first-fit")]
    policy: PolicyName,
    /// Give each bank of a memory so many bytes.
    #[arg(long, value_name = "MEMORY=BYTES", value_parser = parse_bank)]
    size: Vec<(Memory, u64)>,
    /// Leave out what is allocated at SITE: a part of an op or of a frame, as model.py:41.
    #[arg(long, value_name = "SITE")]
    without: Vec<String>,
    /// Free what SITE allocated before when it allocates again.
    #[arg(long, value_name = "SITE")]
    free_early: Vec<String>,
    /// Replay one process alone, by its id or words of its command line, as model.py.
    #[arg(long, value_name = "PID|NAME", visible_alias = "process")]
    pid: Option<ProcessName>,
    /// Write the answer as JSON (schema ttmem-whatif/1) to FILE too; "-" is standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    style: StackOptions,
    /// A recording, or a ring file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[expect(clippy::enum_variant_names, reason = "what the option takes")]
enum PolicyName {
    /// The one nearest to the side that is filled from, as tt-metal does
    FirstFit,
    /// The smallest that is large enough
    BestFit,
    /// The largest
    WorstFit,
}

impl From<PolicyName> for Policy {
    fn from(name: PolicyName) -> Self {
        match name {
            PolicyName::FirstFit => Self::FirstFit,
            PolicyName::BestFit => Self::BestFit,
            PolicyName::WorstFit => Self::WorstFit,
        }
    }
}

/// `L1=1MiB`.
fn parse_bank(text: &str) -> Result<(Memory, u64), String> {
    let (memory, size) = text.split_once('=').ok_or("write a memory and its bytes, as L1=1MiB")?;
    let memory: Memory =
        memory.parse().map_err(|_| format!("no memory {memory:?}; write DRAM, L1, L1_SMALL or TRACE"))?;
    if memory.is_of_programs() {
        return Err(format!("{memory} is placed by programs; write DRAM, L1, L1_SMALL or TRACE"));
    }
    Ok((memory, parse_size(size)?))
}

impl WhatIfFile {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        if let Some(path) = &self.json {
            output::check_writable(path)?;
        }
        let question = Question {
            policy: self.policy.into(),
            sizes: self.size.into_iter().collect(),
            without: self.without,
            free_early: self.free_early,
        };
        let mut steps = Steps::of(Input::open(&self.file, false)?)?;
        if let Some(pid) = &self.pid {
            steps.choose(pid)?;
        }
        let found = what_if(&steps, &question)?;
        let lost: u64 = steps.chosen().map(|(_, process)| process.lost).sum();
        if lost > 0 {
            output::tell(&format!("ttmem: {lost} events were lost: these figures are estimates\n"));
        }
        if let Some(path) = &self.json {
            let report = WhatIfReport::new(&question, &found);
            let json = visible_json(serde_json::to_string_pretty(&report).unwrap_or_default()) + "\n";
            output::write_text_file(path, &json)?;
        }
        if self.json.as_deref() != Some(Path::new("-")) {
            let mut text = String::new();
            // Writing to a string does not fail.
            let _ = write_what_if(&mut text, &question, &found, &self.style.stdout());
            output::print(&text)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
