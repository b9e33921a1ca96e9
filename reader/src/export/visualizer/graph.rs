//! An operation's part of the graph that ttnn captures: the viewer takes program memory from it.

use serde_json::{Value, json};

use super::operations::Placed;

/// A function of this name, and what it placed on each device. The viewer knows one kind of program memory.
pub(super) fn of(name: &str, placed: &[Placed]) -> Value {
    let mut nodes = vec![("capture_start", json!({})), ("function_start", json!({"inputs": "0", "name": name}))];
    for one in placed {
        for device in &one.devices {
            let params = json!({
                "address": one.address.to_string(),
                "size": one.size.to_string(),
                "core_range_set": format!("{{{}}}", one.cores.join(", ")),
                "globally_allocated": u8::from(one.is_inside).to_string(),
                "device_id": device.to_string(),
            });
            nodes.push(("circular_buffer_allocate", params));
        }
    }
    let end = nodes.len();
    nodes.extend([("function_end", json!({"name": name})), ("capture_end", json!({}))]);
    let node = |(counter, (node_type, params)): (usize, (&str, Value))| {
        let connections: Vec<usize> = match node_type {
            "capture_start" => vec![1],
            "function_start" => (2..=end).collect(),
            "function_end" => vec![counter + 1],
            _ => Vec::new(),
        };
        json!({"arguments": [], "connections": connections, "counter": counter, "input_tensors": [],
               "node_type": node_type, "params": params, "stacking_level": 1})
    };
    nodes.into_iter().enumerate().map(node).collect()
}
