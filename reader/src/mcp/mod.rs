//! `ttmem mcp`: questions of agents, by the Model Context Protocol on standard input and output. See docs/mcp.md.
//!
//! * [`serve`]: reads a message a line, and writes the answer;
//! * [`message`]: JSON-RPC 2.0, as the protocol uses it;
//! * [`tools`]: the questions, with the schemas of their arguments;
//! * [`answer`]: text and JSON, made of the analysis that reports are made of.

mod answer;
mod message;
mod tools;

use std::io::{self, BufRead, Read, Write};

use serde_json::{Value, json};

use self::message::{Message, Refusal};
use crate::{Failure, analysis::Analysis};

/// Reads the source that an agent names: a recording, a ring, a folder of them or a process; without a name, all processes that run.
pub(crate) type ReadSource<'a> = dyn FnMut(Option<&str>) -> Result<Analysis, Failure> + 'a;

/// The revisions of the protocol that begin with `initialize` and have tools, newest first.
const REVISIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// A longer message is no question: names of files and processes are short.
const LONGEST: u64 = 1 << 20;

const INSTRUCTIONS: &str = "Answers questions about the device memory of Tenstorrent programs. `source` is a recording made by \
`ttmem record -o FILE -- command`, a ring file, a folder of them, or the id of a process that runs under ttmem; leave it out \
for all processes that run. Asking changes nothing in the program.";

/// Answers until the input ends.
///
/// # Errors
/// If the input cannot be read, or the output cannot be written. A client that has closed its pipe is no error.
pub(crate) fn serve(mut input: impl BufRead, mut output: impl Write, read: &mut ReadSource<'_>) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.len() as u64 == LONGEST && line.last() != Some(&b'\n') {
            return Err(io::Error::other("a message of more than 1 MiB"));
        }
        let Some(answer) = answer_line(&line, read) else { continue };
        match writeln!(output, "{answer}").and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
}

/// The answer to a line; `None` where it asks for none.
fn answer_line(line: &[u8], read: &mut ReadSource<'_>) -> Option<Value> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    match Message::parse(line) {
        Ok(Message::Request { id, method, params }) => Some(match result(&method, &params, read) {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(refusal) => refusal.answer(id),
        }),
        Ok(Message::Other) => None,
        Err(refusal) => Some(refusal.answer(Value::Null)),
    }
}

fn result(method: &str, params: &Value, read: &mut ReadSource<'_>) -> Result<Value, Refusal> {
    match method {
        "initialize" => Ok(initialize(params)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools::list() })),
        "tools/call" => tools::call(params, read),
        _ => Err(Refusal::unknown_method(method)),
    }
}

/// The handshake: the revision that the client wants, else the newest.
fn initialize(params: &Value) -> Value {
    let wanted = params["protocolVersion"].as_str();
    let revision = REVISIONS.iter().find(|&&known| wanted == Some(known)).unwrap_or(&REVISIONS[0]);
    json!({
        "protocolVersion": revision,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "ttmem", "title": "Device memory of Tenstorrent programs", "version": env!("CARGO_PKG_VERSION") },
        "instructions": INSTRUCTIONS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(lines: &str) -> Vec<Value> {
        let mut output = Vec::new();
        let mut read = |source: Option<&str>| match source {
            None => Ok(Analysis::default()),
            Some(name) => Err(Failure::new(format!("{name}: no such file"))),
        };
        serve(lines.as_bytes(), &mut output, &mut read).unwrap();
        let text = String::from_utf8(output).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn code(line: &str) -> i64 {
        let answers = answers(line);
        assert_eq!(answers.len(), 1, "{line}");
        answers[0]["error"]["code"].as_i64().unwrap_or_default()
    }

    #[test]
    fn the_client_gets_the_revision_that_it_wants_or_the_newest() {
        let ask = |revision: &str| {
            let line = format!(
                r#"{{"jsonrpc":"2.0","id":"a","method":"initialize","params":{{"protocolVersion":"{revision}"}}}}"#
            );
            let answer = answers(&line).remove(0);
            assert_eq!(answer["id"], "a");
            answer["result"]["protocolVersion"].as_str().unwrap().to_owned()
        };
        assert_eq!(ask("2024-11-05"), "2024-11-05");
        assert_eq!(ask("2099-01-01"), REVISIONS[0]);
    }

    #[test]
    fn a_line_that_is_no_request_gets_an_error_of_json_rpc() {
        assert_eq!(code("{"), -32700);
        assert_eq!(code("\u{1}\u{2}"), -32700);
        assert_eq!(code("[]"), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":7}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#), -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"server/discover"}"#), -32601);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#), -32602);
    }

    #[test]
    fn notifications_and_answers_of_the_client_get_no_answer() {
        let lines = "\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n\
                     {\"jsonrpc\":\"2.0\",\"id\":4,\"result\":{}}\n{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"}";
        let answers = answers(lines);
        assert_eq!(answers, [json!({ "jsonrpc": "2.0", "id": 5, "result": {} })]);
    }

    #[test]
    fn a_message_without_an_end_is_not_kept() {
        let line = vec![b' '; LONGEST as usize + 1];
        let mut read = |_: Option<&str>| Ok(Analysis::default());
        assert!(serve(line.as_slice(), Vec::new(), &mut read).is_err());
    }
}
