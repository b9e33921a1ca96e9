//! The tools, and the arguments that each takes.

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    ReadSource,
    answer::{Answer, answer},
    message::Refusal,
};
use crate::{Failure, ProcessName, analysis::By};

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Live,
    Growth,
    Peak,
    Refusals,
}

/// Its name, its title, and when to ask it.
const TOOLS: [(Tool, &str, &str, &str); 4] = [
    (
        Tool::Live,
        "live_memory",
        "What is live",
        "Which allocations are live (of an ended process: were live at its end), added up by call site, op, size, shape, \
         dtype, device, memory or iteration, and the sums of each device and memory. Start here.",
    ),
    (
        Tool::Growth,
        "memory_growth",
        "What grows",
        "Whether the program leaks, and which call sites keep more memory in each iteration: the verdict (leak, leftover, \
         clean or inconclusive), and the loops it was decided by.",
    ),
    (
        Tool::Peak,
        "peak_memory",
        "Who held the peak",
        "How much of each memory was live at most, and which call sites and ops held it then.",
    ),
    (
        Tool::Refusals,
        "out_of_memory",
        "Why it did not fit",
        "What tt-metal refused (out of memory, circular buffers that clash with L1 buffers), why, who held the memory \
         then, and what would make room.",
    ),
];

/// Sources, allocations and the like in an answer, where the caller names no number.
const LISTED: usize = 20;
const MOST_LISTED: usize = 1000;

/// The arguments of a call.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    source: Option<Source>,
    process: Option<Source>,
    by: Option<String>,
    limit: Option<usize>,
}

/// A name; agents write process ids as numbers too.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Source {
    Number(u32),
    Name(String),
}

impl Source {
    fn into_name(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name,
        }
    }
}

/// All tools, as `tools/list` has them.
pub(super) fn list() -> Vec<Value> {
    let annotations = json!({ "readOnlyHint": true, "openWorldHint": false });
    let described = TOOLS.iter().map(|&(tool, name, title, description)| {
        json!({
            "name": name,
            "title": title,
            "description": description,
            "inputSchema": { "type": "object", "properties": properties(tool), "additionalProperties": false },
            "annotations": annotations,
        })
    });
    described.collect()
}

fn properties(tool: Tool) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut add = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
    add(
        "source",
        json!({
            "type": ["string", "integer"],
            "description": "Path of a recording, of a ring file or of a folder of them, or the id of a process. Without it: all processes that run.",
        }),
    );
    add(
        "process",
        json!({
            "type": ["string", "integer"],
            "description": "Answer for one process of the source alone: its id, or a word of its command line, as model.py.",
        }),
    );
    add(
        "limit",
        json!({
            "type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": LISTED,
            "description": "Entries of each list in the JSON; *_left_out counts the others.",
        }),
    );
    if tool == Tool::Live {
        let all = By::value_variants().iter().filter_map(By::to_possible_value);
        let names: Vec<String> = all.map(|value| value.get_name().to_owned()).collect();
        add("by", json!({ "type": "string", "enum": names, "default": "site", "description": "Add up by this." }));
    }
    properties
}

/// Answers `tools/call`. A source that cannot be read gives a result that the agent reads; an unknown tool is an error of the protocol.
pub(super) fn call(params: &Value, read: &mut ReadSource<'_>) -> Result<Value, Refusal> {
    let name = params["name"].as_str().unwrap_or_default();
    let Some(&(tool, ..)) = TOOLS.iter().find(|(_, known, ..)| *known == name) else {
        let known: Vec<&str> = TOOLS.iter().map(|(_, name, ..)| *name).collect();
        return Err(Refusal::bad_params(format!("no tool {name:?}; there are {}", known.join(", "))));
    };
    Ok(match run(tool, &params["arguments"], read) {
        Ok(Answer { text, json }) => json!({
            "content": [{ "type": "text", "text": text }],
            "structuredContent": json,
            "isError": false,
        }),
        Err(failure) => json!({ "content": [{ "type": "text", "text": failure.to_string() }], "isError": true }),
    })
}

fn run(tool: Tool, arguments: &Value, read: &mut ReadSource<'_>) -> Result<Answer, Failure> {
    let arguments = match arguments {
        Value::Null => Arguments::default(),
        given => Arguments::deserialize(given).map_err(|error| Failure::new(format!("arguments: {error}")))?,
    };
    let by = match &arguments.by {
        Some(_) if tool != Tool::Live => return Err(Failure::new("arguments: by is for live_memory alone")),
        Some(name) => By::from_str(name, false).map_err(|_| {
            let all = By::value_variants().iter().filter_map(By::to_possible_value);
            let names: Vec<String> = all.map(|value| value.get_name().to_owned()).collect();
            Failure::new(format!("arguments: no by {name:?}; there are {}", names.join(", ")))
        })?,
        None => By::Site,
    };
    let limit = arguments.limit.unwrap_or(LISTED);
    if !(1..=MOST_LISTED).contains(&limit) {
        return Err(Failure::new(format!("arguments: limit {limit} is not from 1 to {MOST_LISTED}")));
    }
    let source = arguments.source.map(Source::into_name);
    let mut analysis = read(source.as_deref())?;
    if let Some(process) = arguments.process.map(Source::into_name) {
        let Ok(name) = process.parse::<ProcessName>();
        analysis.select_process(&name)?;
    }
    if analysis.processes.is_empty() {
        return Err(Failure::new(match source {
            Some(source) => format!("{source}: no process reported an event"),
            None => "no process that runs reports device memory; name a recording, or start one with `ttmem record -o FILE -- command`".to_owned(),
        }));
    }
    Ok(answer(tool, analysis, by, limit))
}
