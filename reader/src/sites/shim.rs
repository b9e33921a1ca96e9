//! Stands in for the typed call sites until they are merged.

use std::{fmt, sync::Arc};

use super::{Named, Naming};

/// A call site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CallSite {
    /// The ttnn operation.
    pub op: Option<Arc<str>>,
    /// All frames, innermost first.
    pub frames: Arc<[Frame]>,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Its text.
    text: String,
}

impl Frame {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl CallSite {
    /// The user's frames.
    pub fn users(&self) -> &[Frame] {
        &self.frames
    }

    /// Frames of one line.
    pub fn telling(&self, most: usize) -> Vec<&Frame> {
        self.frames.iter().take(most).collect()
    }
}

impl Naming<'_> {
    /// The site of this number.
    pub(crate) fn site(&self, id: u32) -> Arc<CallSite> {
        let Named { frames, op } = self.named(id);
        Arc::new(CallSite { op: op.map(Into::into), frames: frames.iter().map(|frame| Frame::parse(frame)).collect() })
    }
}
