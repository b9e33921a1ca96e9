//! JSON-RPC 2.0, as the Model Context Protocol uses it: one message a line, and no batches.

use serde_json::{Value, json};

/// A message of the client.
pub(super) enum Message {
    /// It waits for an answer with this id.
    Request { id: Value, method: String, params: Value },
    /// A notification, or an answer: nothing is to be sent.
    Other,
}

/// Why a request has no result.
#[derive(Debug)]
pub(super) struct Refusal {
    code: i32,
    message: String,
}

impl Message {
    pub(super) fn parse(line: &[u8]) -> Result<Self, Refusal> {
        let value: Value = serde_json::from_slice(line)
            .map_err(|error| Refusal { code: -32700, message: format!("not JSON: {error}") })?;
        let Value::Object(mut members) = value else { return Err(Refusal::no_request("a message is an object")) };
        let id = members.remove("id");
        match (members.remove("method"), id) {
            (Some(Value::String(_)), None) => Ok(Self::Other),
            (Some(Value::String(method)), Some(id @ (Value::String(_) | Value::Number(_)))) => {
                Ok(Self::Request { id, method, params: members.remove("params").unwrap_or_default() })
            }
            (None, Some(_)) if members.contains_key("result") || members.contains_key("error") => Ok(Self::Other),
            (Some(Value::String(_)), _) => Err(Refusal::no_request("id is a string or a number")),
            _ => Err(Refusal::no_request("method is a string")),
        }
    }
}

impl Refusal {
    fn no_request(why: &str) -> Self {
        Self { code: -32600, message: format!("not a request: {why}") }
    }

    pub(super) fn unknown_method(method: &str) -> Self {
        Self { code: -32601, message: format!("no method {method:?}") }
    }

    pub(super) fn bad_params(why: String) -> Self {
        Self { code: -32602, message: why }
    }

    pub(super) fn answer(&self, id: Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": id, "error": { "code": self.code, "message": self.message } })
    }
}
