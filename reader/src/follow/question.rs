//! A question, and why it may have no answer.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value;

use crate::Failure;

/// How long an answer waits for its mark if the question gives no limit.
const TIMEOUT: Duration = Duration::from_secs(10);

/// No answer waits longer, whatever the question says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A line of input.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub(super) ask: Subject,
    /// Comes back in the answer.
    #[serde(default)]
    pub(super) tag: Option<Value>,
    /// Answer once this mark was seen.
    #[serde(default)]
    pub(super) after: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    /// Of a region: what the program calls it.
    #[serde(default)]
    id: Option<String>,
    /// Or its name.
    #[serde(default)]
    name: Option<String>,
    /// Of a recording: the file to write.
    #[serde(default)]
    file: Option<PathBuf>,
}

/// What a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// One region of the program.
    Region,
    /// The sums, and which regions are open.
    Now,
    /// The verdict on the process.
    Verdict,
    /// All of it.
    Report,
    /// A recording that begins with what is live now.
    Record,
    /// Its end.
    RecordEnd,
}

/// A region by its id, its name, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegionKey {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The line is no question.
    NotAQuestion(serde_json::Error),
    /// A ring of the process cannot be drained, or a recording cannot be written.
    Refused(Failure),
    /// The process ended before it set the mark.
    Ended(String),
    /// The mark did not come in time.
    NotSeen(String, Duration),
    /// The question is about a region, and names none.
    WhichRegion,
    /// There is no such region.
    NoRegion(RegionKey),
    /// The process has made no ring yet.
    NoRing,
    /// The question is about a recording, and names no file.
    WhichFile,
    /// No recording was begun.
    NoRecording,
}

impl Question {
    pub(super) fn parse(line: &str) -> Result<Self, Unanswered> {
        serde_json::from_str(line).map_err(Unanswered::NotAQuestion)
    }

    /// How long the answer may wait for its mark.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout_ms.map_or(TIMEOUT, Duration::from_millis).min(LONGEST)
    }

    /// The file that it is about.
    pub(super) fn file(&self) -> Result<&Path, Unanswered> {
        self.file.as_deref().ok_or(Unanswered::WhichFile)
    }

    /// The region that it is about.
    pub(super) fn region(&self) -> Result<RegionKey, Unanswered> {
        match (&self.id, &self.name) {
            (None, None) => Err(Unanswered::WhichRegion),
            (id, name) => Ok(RegionKey { id: id.clone(), name: name.clone() }),
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAQuestion(why) => write!(f, "not a question: {why}"),
            Self::Refused(why) => write!(f, "{why}"),
            Self::Ended(mark) => write!(f, "the process ended, and did not set the mark {mark:?}"),
            Self::NotSeen(mark, timeout) => {
                write!(f, "the mark {mark:?} was not seen within {} ms", timeout.as_millis())
            }
            Self::WhichRegion => write!(f, "which region? add \"id\" or \"name\""),
            Self::NoRegion(RegionKey { id, name }) => {
                write!(f, "no region")?;
                id.iter().try_for_each(|id| write!(f, " with the id {id:?}"))?;
                name.iter().try_for_each(|name| write!(f, " with the name {name:?}"))?;
                write!(f, " has begun")
            }
            Self::WhichFile => write!(f, "which file? add \"file\""),
            Self::NoRecording => write!(f, "no recording was begun"),
            Self::NoRing => write!(f, "the process has made no ring yet"),
        }
    }
}
