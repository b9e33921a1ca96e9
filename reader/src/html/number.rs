//! A number as a script reads it.

use serde::{Serialize, Serializer};

/// The largest number that a script reads exactly; a larger one is written as text.
const EXACT: u64 = 1 << 53;

#[derive(Clone, Copy, Debug)]
pub(super) struct Number(pub(super) u64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 <= EXACT { serializer.serialize_u64(self.0) } else { serializer.collect_str(&self.0) }
    }
}
