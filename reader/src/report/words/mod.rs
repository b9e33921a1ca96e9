//! Words: numbers, places and sentences. What the JSON, the text and the page have in common.

pub(super) mod devices;
pub(super) mod difference;
mod findings;
pub(super) mod growth;
mod headroom;
pub(super) mod place;
pub(super) mod pressure;
pub(super) mod refusals;
mod units;
mod verdict;
pub(super) mod whatif;

pub use devices::plain as plain_name;
pub use findings::FINDING_IDS;
pub(crate) use findings::id as finding_id;
pub(super) use findings::sentence as finding;
pub(crate) use growth::{sentence as growth_sentence, source_sentence as growth_source};
pub(crate) use headroom::headroom;
pub(super) use place::frame_texts;
pub(crate) use place::stack_line;
pub(super) use units::short_count;
pub use units::{bytes, count, from_here, noun, shorten};
pub(crate) use units::{cores, program_memory};
pub(crate) use verdict::{ending, what_is_missing};
pub(super) use verdict::{verdict, why_undecided};
