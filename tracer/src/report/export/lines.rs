//! JSON lines: each row of the report's lists by itself, `kind` being where it is in the report, and the report last.

use serde_json::{Map, Value};

use crate::report::{Report, json};

/// All lines.
pub fn write(report: &Report) -> String {
    let object = serde_json::to_value(report).expect("every key of a report is a string");
    let mut lines = String::new();
    write_lists(&mut lines, "", &object);
    lines + &json::to_event(report)
}

/// Lists of rows anywhere in an object, but not those within a row: `reads`, `switches.causes`.
fn write_lists(lines: &mut String, path: &str, object: &Value) {
    for (key, value) in object.as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Object(_) => write_lists(lines, &path, value),
            Value::Array(rows) => {
                let rows = rows.iter().filter_map(Value::as_object);
                rows.for_each(|row| lines.push_str(&line(&path, row)));
            }
            _ => {}
        }
    }
}

/// A row that has a `kind` of its own keeps it as `what`.
fn line(path: &str, row: &Map<String, Value>) -> String {
    let mut object = Map::from_iter([("kind".to_owned(), path.into())]);
    for (key, value) in row {
        let key = if key == "kind" { "what" } else { key };
        object.insert(key.to_owned(), value.clone());
    }
    Value::Object(object).to_string() + "\n"
}
