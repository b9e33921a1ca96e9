//! What a recording says about processes, beside their events: one JSON document a chunk.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A document about a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Meta {
    /// A process, before anything else about it.
    Process(Process),
    /// A pool that its events name.
    Pool(Pool),
    /// How far it is; each replaces the one before.
    Status(Status),
    /// What it was at when it aborted.
    LastWords(LastWords),
    /// Call sites that its events name; perhaps after them.
    Sites(Sites),
}

/// A process, by a number that only this recording knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The number by which chunks and other documents name it.
    pub process: u32,
    /// Its pid; for display.
    pub pid: u32,
    /// Its parent's pid.
    pub parent_pid: u32,
    /// Program and arguments.
    pub command: Vec<String>,
    /// When it reported its first event, in nanoseconds since 1970.
    pub realtime_start_ns: u64,
    /// The random id of its ring, 32 hexadecimal digits.
    pub ring_id: String,
    /// The version of the library that it ran with.
    pub library_version: String,
}

/// A pool of memory: one allocator over some chips.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Whose pool.
    pub process: u32,
    /// The index by which events name it.
    pub index: u32,
    /// Which allocator of the process; pools that share it are released together.
    pub allocator: u32,
    /// tt-metal's `MeshDevice::id()`, where known.
    pub mesh: Option<u32>,
    /// Chip ids, ascending.
    pub chips: Vec<i32>,
}

/// How far a process is, and what is known to be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which process.
    pub process: u32,
    /// Events that it reported.
    pub reported: u64,
    /// Events that the recorder took.
    pub drained: u64,
    /// Events that another reader took.
    pub drained_elsewhere: u64,
    /// Events that found no room.
    pub lost: u64,
    /// Events that could not be read.
    pub unreadable: u64,
    /// Allocations that it only pretended.
    pub pretended: u64,
    /// Whether nothing more can come.
    pub is_over: bool,
    /// How it ended, where it did.
    pub ended: Option<Ended>,
    /// Two readings of its clock, the first early and the second late.
    pub clock: [ClockPoint; 2],
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It is gone, and nobody said how.
    Unknown,
    /// Not at all: it stopped tracking, and may have run on.
    Stopped,
}

/// The same moment on two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockPoint {
    /// In ticks of the events' clock.
    pub ticks: u64,
    /// In nanoseconds since 1970.
    pub realtime_ns: u64,
}

/// Requests that stood open when a process aborted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWords {
    /// Which process.
    pub process: u32,
    /// The words of the records.
    pub records: Vec<[u64; 8]>,
}

/// Call sites.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sites {
    /// Whose.
    pub process: u32,
    /// Each that came by since the last such document.
    pub sites: Vec<Site>,
}

/// One call site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The number by which events name it.
    pub id: u32,
    /// Frames of Python functions, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python: Vec<PythonFrame>,
    /// Native frames, innermost first; where there are Python's, only those inside of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub native: Vec<NativeFrame>,
    /// What the number means in events about tensors, which have it in the place of a call site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<Arc<Tensor>>,
}

/// What a tensor is, with the names that tt-metal has for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tensor {
    /// Its dimensions as the program sees them.
    pub shape: Vec<u32>,
    /// Its dimensions as it lies in memory.
    pub padded_shape: Vec<u32>,
    /// `DataType`, as `BFLOAT16`.
    pub dtype: Arc<str>,
    /// `Layout`, as `TILE`.
    pub layout: Arc<str>,
    /// `TensorMemoryLayout`, as `INTERLEAVED`.
    pub memory_layout: Arc<str>,
    /// Height and width of a shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_shape: Option<[u32; 2]>,
}

/// A frame of a Python function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PythonFrame {
    /// Its qualified name, where the version of Python has one.
    pub function: Arc<str>,
    /// Its file, as Python has it.
    pub file: Arc<str>,
    /// The line that it was at; null where its code has none.
    pub line: Option<u32>,
}

/// A native frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NativeFrame {
    /// The file that the code came from; empty where it came from none.
    pub module: Arc<str>,
    /// The module's build id, hexadecimal; empty where it has none.
    #[serde(default)]
    pub build_id: Arc<str>,
    /// Where in the module: a return address, in the file's own terms.
    pub address: u64,
    /// The name of the function as the file has it; null where it was not found, or not looked up yet.
    #[serde(default)]
    pub symbol: Option<Arc<str>>,
    /// The source file and line, where the module says so.
    #[serde(default)]
    pub line: Option<(Arc<str>, u32)>,
}

impl Meta {
    /// The process that the document is about.
    pub fn process(&self) -> u32 {
        match self {
            Self::Process(process) => process.process,
            Self::Pool(pool) => pool.process,
            Self::Status(status) => status.process,
            Self::LastWords(words) => words.process,
            Self::Sites(sites) => sites.process,
        }
    }

    /// Reads a document. `Ok(None)`: it is of a type that this version does not know.
    pub(crate) fn read(json: &[u8]) -> Result<Option<Self>, &'static str> {
        #[derive(Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Document {
            Process(Process),
            Pool(Pool),
            Status(Status),
            LastWords(LastWords),
            Sites(Sites),
            #[serde(other)]
            Unknown,
        }
        Ok(match serde_json::from_slice(json).map_err(|_| "a document is not what its type asks for")? {
            Document::Process(process) => Some(Self::Process(process)),
            Document::Pool(pool) => Some(Self::Pool(pool)),
            Document::Status(status) => Some(Self::Status(status)),
            Document::LastWords(words) => Some(Self::LastWords(words)),
            Document::Sites(sites) => Some(Self::Sites(sites)),
            Document::Unknown => None,
        })
    }
}
