//! The last line of a report: what to do next.

use std::path::Path;

use ttmem_ring::RING_EXTENSION;

use super::{output::shell_words, settings::Settings};
use crate::{analysis::Analysis, report::FINDING_IDS};

/// The largest ring that the library takes.
const LARGEST_RING: u64 = 1 << 30;
/// What to try first.
const LARGE_RING: u64 = 64 << 20;
/// How long a program waits without progress by default, in ms (docs/decisions/full.md).
const DEFAULT_WAIT_MS: u64 = 100;
/// How long it may wait to lose nothing, in ms.
const WAIT_MS: u64 = 10_000;

/// After `ttmem run`.
pub(super) fn after_run(
    analysis: &Analysis,
    command: &str,
    settings: &Settings,
    is_json_written: bool,
) -> Option<String> {
    if analysis.processes.iter().any(|process| process.counts.lost > 0) {
        return Some(format!("Next: {} ttmem run -- {command}", remedy(settings)));
    }
    (!is_json_written).then(|| format!("Next: ttmem record -o run.ttmem -- {command}"))
}

/// What would have kept the events that were lost: where the program dropped at once, the default, which waits; where it waited, a
/// longer wait; where it waited long, a larger ring.
fn remedy(settings: &Settings) -> String {
    let value = |name: &str| settings.value(name).and_then(|value| value.into_string().ok());
    let on_full = value("TTMEM_ON_FULL").unwrap_or_else(|| "wait".to_owned());
    let blocked = on_full.strip_prefix("block:").and_then(|ms| ms.parse::<u64>().ok());
    if on_full == "drop" || blocked.is_some_and(|ms| ms < DEFAULT_WAIT_MS) {
        return "TTMEM_ON_FULL=wait".to_owned();
    }
    if blocked.is_none_or(|ms| ms < WAIT_MS) {
        return format!("TTMEM_ON_FULL=block:{WAIT_MS}");
    }
    let ring = value("TTMEM_RING_BYTES").and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let larger = LARGE_RING.max(ring.saturating_mul(4)).min(LARGEST_RING);
    format!("TTMEM_ON_FULL=block:{} TTMEM_RING_BYTES={larger}", 60_000)
}

/// After `ttmem report`: the page, where there is none yet, else what a sentence means.
pub(super) fn after_report(analysis: &Analysis, files: &[std::path::PathBuf], is_page_written: bool) -> Option<String> {
    if let ([file], false) = (files, is_page_written)
        && file.extension().is_none_or(|extension| extension != RING_EXTENSION.trim_start_matches('.'))
    {
        let page = Path::new(file.file_name()?).with_extension("html");
        let words = [page.to_string_lossy(), file.to_string_lossy()];
        return Some(format!("Next: ttmem report --html {}", shell_words(words)));
    }
    let is_there = |id: &&&str| analysis.processes.iter().any(|process| has(process, id));
    let id = FINDING_IDS.iter().find(is_there)?;
    Some(format!("Next: ttmem explain {id}"))
}

fn has(process: &crate::analysis::ProcessAnalysis, id: &str) -> bool {
    process.observations.iter().any(|one| crate::report::finding_id(one) == id)
}
