//! `ttmem-report/1`, as a reader of the JSON sees it.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

/// The published schema, with no room for keys that it does not know: a key that nobody described is found here.
fn schema() -> &'static Validator {
    static SCHEMA: OnceLock<Validator> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut schema = serde_json::from_str(include_str!("../../../docs/report.schema.json")).expect("JSON");
        close(&mut schema);
        jsonschema::validator_for(&schema).expect("a schema")
    })
}

fn close(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut().filter(|object| object.get("properties").is_some_and(Value::is_object))
    {
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    match schema {
        Value::Object(object) => object.values_mut().for_each(close),
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}

/// A parsed report.
#[derive(Clone, Debug)]
pub struct Report {
    json: Value,
}

/// One row: a device and a memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Totals {
    pub live_buffers: u64,
    pub live_bytes: u64,
    pub peak_bytes: u64,
    pub allocations: u64,
    pub frees: u64,
    pub released_at_close: u64,
}

impl Report {
    /// Parses the JSON, and holds it to the schema.
    ///
    /// # Panics
    /// If it is something else.
    pub fn parse(text: &str) -> Self {
        let json: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(json["schema"], "ttmem-report/1");
        if let Some(error) = schema().iter_errors(&json).next() {
            panic!("not what docs/report.schema.json says: {error} at {}", error.instance_path());
        }
        Self { json }
    }

    /// All of it.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// The processes.
    pub fn processes(&self) -> &[Value] {
        self.json["processes"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The one process.
    ///
    /// # Panics
    /// If there are more or fewer.
    pub fn process(&self) -> &Value {
        assert_eq!(self.processes().len(), 1, "{:#}", self.json);
        &self.processes()[0]
    }

    /// Events reported, drained and lost in `process`.
    ///
    /// # Panics
    /// If the numbers are missing.
    pub fn events(process: &Value) -> (u64, u64, u64) {
        let number = |name: &str| process["events"][name].as_u64().unwrap_or_else(|| panic!("events.{name}"));
        (number("reported"), number("drained"), number("lost"))
    }

    /// The row of this device and memory in `of` (a process, or one of its marks); zeroes if it has none.
    pub fn totals(of: &Value, device: i64, memory: &str) -> Totals {
        let devices = of["devices"].as_array().map_or(&[][..], Vec::as_slice);
        let row = devices.iter().find(|row| row["device_id"] == device).map(|row| &row["memory"][memory]);
        let number = |name: &str| row.and_then(|row| row[name].as_u64()).unwrap_or(0);
        Totals {
            live_buffers: number("live_buffers"),
            live_bytes: number("live_bytes"),
            peak_bytes: number("peak_bytes"),
            allocations: number("allocations"),
            frees: number("frees"),
            released_at_close: number("released_at_close"),
        }
    }

    /// The mark of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn mark<'a>(process: &'a Value, name: &str) -> &'a Value {
        let marks = process["marks"].as_array().map_or(&[][..], Vec::as_slice);
        marks.iter().find(|mark| mark["name"] == name).unwrap_or_else(|| panic!("no mark {name:?} in {process:#}"))
    }
}
