//! `ttmem mcp`: a client talks to it over pipes.

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use common::{Folder, Story, hold_one_of_two, ring, training};
use serde_json::{Value, json};

/// A client, and the server that it started.
struct Client {
    server: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    number: u64,
}

impl Client {
    /// After the handshake.
    fn new(rings: &Path) -> Self {
        let mut server = Command::new(env!("CARGO_BIN_EXE_ttmem"))
            .arg("mcp")
            .env("TTMEM_DIR", rings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (server.stdin.take(), BufReader::new(server.stdout.take().unwrap()));
        let mut client = Self { server, to, from, number: 0 };
        let about = json!({ "name": "test", "version": "1" });
        let asked = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about });
        let told = client.ask("initialize", &asked)["result"].clone();
        assert_eq!(told["protocolVersion"], "2025-06-18");
        assert_eq!(told["serverInfo"]["name"], "ttmem");
        assert!(told["capabilities"]["tools"].is_object());
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.to.as_mut().unwrap(), "{message}").unwrap();
    }

    /// Every line that comes is the answer to the last request: nothing else is on standard output.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.number, "method": method, "params": params }));
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"));
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(self.number)));
        answer
    }

    /// Text and JSON.
    fn call(&mut self, tool: &str, arguments: &Value) -> (String, Value) {
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }));
        let result = &answer["result"];
        assert_eq!(result["isError"], false, "{answer}");
        assert_eq!(result["structuredContent"]["schema"], "ttmem-report/1");
        (result["content"][0]["text"].as_str().unwrap().to_owned(), result["structuredContent"]["processes"].clone())
    }

    fn refused(&mut self, tool: &str, arguments: &Value) -> String {
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }));
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// Closes the pipe: the server ends, and has written nothing more.
    fn end(mut self) {
        self.to = None;
        let mut rest = String::new();
        self.from.read_line(&mut rest).unwrap();
        assert_eq!(rest, "");
        assert!(self.server.wait().unwrap().success());
    }
}

fn recording(folder: &Folder, name: &str, story: &Story) -> String {
    let path = folder.0.join(name);
    story.write(&path, &["python", "model.py"], 8);
    path.display().to_string()
}

#[test]
fn an_agent_asks_a_recording() {
    let folder = Folder::new("mcp-recording");
    let run = recording(&folder, "run.ttmem", &training(12, 8));
    let mut client = Client::new(&folder.rings());
    let listed = client.ask("tools/list", &json!({}));
    let tools = listed["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["live_memory", "memory_growth", "peak_memory", "out_of_memory"]);
    for tool in tools {
        assert!(jsonschema::meta::is_valid(&tool["inputSchema"]), "{tool}");
        assert!(tool["description"].as_str().unwrap().len() > 80 && tool["annotations"]["readOnlyHint"] == true);
    }

    let (text, processes) = client.call("memory_growth", &json!({ "source": run }));
    assert!(text.contains("Leak: 8 allocations"), "{text}");
    assert_eq!(processes[0]["verdict"]["answer"], "leak");
    assert!(!processes[0]["growth"][0]["sources"].as_array().unwrap().is_empty());
    assert!(processes[0].get("live").is_none() && processes[0].get("peaks").is_none(), "only what was asked for");

    let (text, processes) = client.call("peak_memory", &json!({ "source": run, "process": "model.py" }));
    assert!(text.contains("At the peak") && text.contains("DRAM"), "{text}");
    assert!(processes[0]["peaks"][0]["peak_bytes"].as_u64().unwrap() > 0);

    let (text, processes) = client.call("out_of_memory", &json!({ "source": run }));
    assert!(text.contains("Out of memory"), "{text}");
    assert_eq!(processes[0]["out_of_memory"][0]["size"], 1_u64 << 40);

    let (text, processes) = client.call("live_memory", &json!({ "source": run, "by": "size", "limit": 3 }));
    assert!(text.contains("By size"), "{text}");
    let at = &processes[0]["at"];
    assert_eq!(at["rows"].as_array().unwrap().len(), 3);
    assert!(at["rows_left_out"].as_u64().unwrap() > 0 && at.get("live").is_none());
    client.end();
}

#[test]
fn an_agent_asks_a_process_that_runs() {
    let folder = Folder::new("mcp-running");
    let file = ring(&folder);
    let _held = hold_one_of_two(&file);
    let pid = std::process::id();
    let mut client = Client::new(&folder.rings());
    for arguments in [json!({}), json!({ "source": pid }), json!({ "source": pid.to_string() })] {
        let (_, processes) = client.call("live_memory", &arguments);
        assert_eq!((&processes[0]["pid"], &processes[0]["ended"]), (&json!(pid), &Value::Null));
        assert_eq!((&processes[0]["at"]["rows"][0]["allocations"], &processes[1]), (&json!(2), &Value::Null));
    }
    client.end();
}

#[test]
fn a_bad_question_gets_one_line_and_the_next_one_its_answer() {
    let folder = Folder::new("mcp-refused");
    let run = recording(&folder, "run.ttmem", &training(2, 2));
    std::fs::write(folder.0.join("cut.ttmem"), &std::fs::read(&run).unwrap()[..40]).unwrap();
    let mut client = Client::new(&folder.rings());
    let mut refused = |arguments: Value, why: &str| {
        let text = client.refused("live_memory", &arguments);
        assert!(text.contains(why) && text.lines().count() == 1, "{text}");
    };
    refused(json!({ "source": "/nonexistent/a.ttmem" }), "/nonexistent/a.ttmem");
    refused(json!({ "source": folder.0.join("cut.ttmem") }), "cut.ttmem");
    refused(json!({}), "no process that runs reports device memory");
    refused(json!({ "source": run, "process": "other.py" }), "other.py");
    refused(json!({ "source": run, "by": "colour" }), "no by \"colour\"; there are site, op");
    refused(json!({ "source": run, "limit": 0 }), "limit 0");
    refused(json!({ "source": [run] }), "arguments");
    refused(json!({ "sauce": run }), "unknown field `sauce`");
    assert!(client.refused("peak_memory", &json!({ "source": run, "by": "op" })).contains("live_memory alone"));
    let unknown = client.ask("tools/call", &json!({ "name": "free_memory" }));
    assert_eq!(unknown["error"]["code"], -32602);
    assert_eq!(client.ask("resources/list", &json!({}))["error"]["code"], -32601);
    client.call("live_memory", &json!({ "source": run }));
    client.end();
}
