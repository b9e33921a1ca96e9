//! What a difference comes to, in a sentence.

use super::{
    growth::amount,
    units::{bytes, count, noun},
    verdict::{undecided_after, what_is_missing},
};
use crate::analysis::{ChangeKind, Difference, Held, Incomplete, Side};

/// The sentence.
pub(crate) fn sentence(difference: &Difference) -> String {
    if let Some(why) = incomplete(difference) {
        return format!("Inconclusive: {why}.");
    }
    if difference.changes.is_empty() {
        return "No difference: what is live in A is live in B.".to_owned();
    }
    let (number, size) = (difference.allocations_change.unsigned_abs(), difference.bytes_change.unsigned_abs());
    let allocations = format!("{} {}", count(number), noun(number, "allocation", "allocations"));
    let amount = format!("{allocations}, {}", bytes(size));
    match (difference.allocations_change, difference.bytes_change) {
        (0, 0) => "As many bytes and allocations in both, but not the same ones.".to_owned(),
        (0, more) => {
            format!("B has {} {} than A, in as many allocations.", bytes(size), if more > 0 { "more" } else { "less" })
        }
        (more, bytes_more) if more >= 0 && bytes_more >= 0 => format!("B has {amount} more than A."),
        (more, bytes_more) if more <= 0 && bytes_more <= 0 => format!("B has {amount} less than A."),
        (more, bytes_more) => format!(
            "B has {allocations} {} and {} {} than A.",
            if more > 0 { "more" } else { "fewer" },
            bytes(size),
            if bytes_more > 0 { "more" } else { "less" }
        ),
    }
}

/// "A is not complete, 2 events were lost"; `None` if both are complete.
pub(crate) fn incomplete(difference: &Difference) -> Option<String> {
    let named =
        |name: &str, side: &Side| side.incomplete.map(|why| format!("{name} is not complete, {}", why_incomplete(why)));
    named("A", &difference.a).or_else(|| named("B", &difference.b))
}

/// What a side's sums have of the program cache, what they leave out, and whether it is undecided that the side grows.
pub(crate) fn beside(side: &Side) -> Option<String> {
    let of = |held: Held, what: &str| (held.allocations > 0).then(|| format!("{what}: {}.", amount(held)));
    let sentences = [
        of(side.cached, "In the program cache"),
        of(side.suppressed, "Suppressed, and left out"),
        side.undecided.as_ref().and_then(undecided_after),
    ];
    let text = sentences.into_iter().flatten().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// Why a side is not known whole.
pub(crate) fn why_incomplete(why: Incomplete) -> String {
    match why {
        Incomplete::Missing(missing) => what_is_missing(missing),
        Incomplete::Listed { listed, all } => {
            format!("{} of {} allocations that one region left are listed", count(listed), count(all))
        }
    }
}

/// What allocations of one kind did.
pub(crate) fn change(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Appeared => "appeared",
        ChangeKind::Went => "went",
        ChangeKind::Grew => "grew",
        ChangeKind::Shrank => "shrank",
    }
}
