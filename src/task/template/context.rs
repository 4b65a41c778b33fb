//! What a template may name.

use std::collections::BTreeMap;

use minijinja::Value;
use serde_json::Map;

use super::moment::Moment;
use crate::clock::Timestamp;

/// What a template may name.
///
/// Everything is handed in, the environment too: only the variables that the settings allow.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateContext {
    /// The task's `params`.
    pub params: Map<String, serde_json::Value>,
    /// The group.
    pub dag_id: String,
    /// The task.
    pub task_id: String,
    /// The run.
    pub run_id: String,
    /// Which mapped instance; -1 when the task is not mapped.
    pub map_index: i32,
    /// Which try, counted from 1.
    pub try_number: u32,
    /// The moment that the run stands for; `ds`, `ts` and their kin come from it.
    pub logical_date: Timestamp,
    /// Environment variables, by name.
    pub env: BTreeMap<String, String>,
}

impl TemplateContext {
    /// The context as the template engine sees it.
    pub(super) fn to_value(&self) -> Value {
        let moment = Moment(self.logical_date);
        let instance: BTreeMap<&str, Value> = BTreeMap::from([
            ("dag_id", Value::from(self.dag_id.as_str())),
            ("task_id", Value::from(self.task_id.as_str())),
            ("run_id", Value::from(self.run_id.as_str())),
            ("map_index", Value::from(self.map_index)),
            ("try_number", Value::from(self.try_number)),
        ]);
        let mut names = instance.clone();
        names.extend([
            ("ti", Value::from(instance)),
            ("params", from_map(&self.params)),
            ("env", Value::from(self.env.clone())),
            ("ds", Value::from(moment.ds())),
            ("ds_nodash", Value::from(moment.ds_nodash())),
            ("ts", Value::from(moment.ts())),
            ("ts_nodash", Value::from(moment.ts_nodash())),
            (
                "task_instance_key_str",
                Value::from(format!(
                    "{}__{}__{}",
                    self.dag_id,
                    self.task_id,
                    moment.ds_nodash()
                )),
            ),
            ("logical_date", Value::from_object(moment)),
        ]);
        Value::from(names)
    }
}

fn from_map(map: &Map<String, serde_json::Value>) -> Value {
    map.iter()
        .map(|(key, value)| (key.clone(), from_json(value)))
        .collect::<BTreeMap<_, _>>()
        .into()
}

fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(flag) => Value::from(*flag),
        serde_json::Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                Value::from(whole)
            } else if let Some(whole) = number.as_u64() {
                Value::from(whole)
            } else {
                Value::from(number.as_f64())
            }
        }
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(from_json).collect::<Vec<_>>().into(),
        serde_json::Value::Object(map) => from_map(map),
    }
}
