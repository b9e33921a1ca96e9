//! Another placement of the same requests, in sentences.

use ttmem_ledger::Policy;

use super::{count, devices, noun, units::bytes};
use crate::analysis::{PlacedMemory, Question};

/// The name of a policy, as the command line has it.
pub(crate) fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::FirstFit => "first-fit",
        Policy::BestFit => "best-fit",
        Policy::WorstFit => "worst-fit",
    }
}

/// What is to be different, in half a sentence.
pub(crate) fn question(question: &Question) -> String {
    let mut parts = vec![match question.policy {
        Policy::FirstFit => "first-fit, as in tt-metal".to_owned(),
        other => format!("{} in place of first-fit", policy(other)),
    }];
    parts.extend(question.sizes.iter().map(|(memory, size)| format!("{memory} banks of {}", bytes(*size))));
    parts.extend(question.without.iter().map(|site| format!("nothing allocated at {site:?}")));
    let early = |site: &String| format!("what was allocated at {site:?} freed before it allocates again");
    parts.extend(question.free_early.iter().map(early));
    parts.join("; ")
}

/// How far the replay can be trusted.
pub(crate) fn replay(of: &PlacedMemory) -> String {
    let which = format!("{} of {}", of.memory, devices::plain(&of.devices));
    let number = format!("{} {}", count(of.allocations), noun(of.allocations, "allocation", "allocations"));
    let mut text = match of.allocations - of.as_predicted {
        0 => format!("{which}: {number}; first-fit puts each where it was."),
        others => format!(
            "{which}: {number}; {} of them {} not where first-fit puts {}, so these figures are estimates.",
            count(others),
            noun(others, "is", "are"),
            noun(others, "it", "them")
        ),
    };
    if of.left_out > 0 {
        text += &format!(" {} more are left out: their place in each bank is not known.", count(of.left_out));
    }
    text
}
