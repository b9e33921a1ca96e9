//! For viewers that know one process only.

use super::stacks::process_name;
use crate::replay::Steps;

/// The place of the process to show: of those that were chosen, the first of those with most events.
pub(super) fn busiest(steps: &Steps) -> usize {
    steps.chosen().min_by_key(|(_, process)| u64::MAX - process.events).map_or(0, |(index, _)| index)
}

/// A sentence on those that are not shown.
pub(super) fn note_on_others(steps: &Steps, shown: usize) -> Option<String> {
    let others = steps.chosen().count().saturating_sub(1);
    let process = steps.processes().get(shown).filter(|_| others > 0)?;
    Some(format!("it shows {}; {others} others are left out (--pid PID chooses)", process_name(process)))
}
