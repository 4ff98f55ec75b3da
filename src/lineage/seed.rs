//! The params of a plan as rows: one for each value that a query may ask for.

use serde_json::Value;

use crate::id::StepName;
use crate::plan::Plan;

/// One param of a run or of one of its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamRow {
    /// The step; none for a param of the pipeline.
    pub step: Option<StepName>,
    /// The name; nested values are joined by dots.
    pub param: String,
    /// The value: strings plain, everything else as JSON.
    pub value: String,
}

/// The params of the pipeline and then those of its steps, in order.
pub fn params(plan: &Plan) -> Vec<ParamRow> {
    let mut rows = Vec::new();
    for (param, value) in &plan.params {
        flatten(None, param.as_str(), value, &mut rows);
    }
    for step in plan.steps.values() {
        flatten(Some(&step.name), "", &step.params, &mut rows);
    }
    rows
}

fn flatten(step: Option<&StepName>, param: &str, value: &Value, rows: &mut Vec<ParamRow>) {
    let text = match value {
        Value::Object(fields) if param.is_empty() || !fields.is_empty() => {
            for (key, value) in fields {
                let param = if param.is_empty() { key.clone() } else { format!("{param}.{key}") };
                flatten(step, &param, value, rows);
            }
            return;
        }
        Value::Null if param.is_empty() => return,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    rows.push(ParamRow { step: step.cloned(), param: param.to_owned(), value: text });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_params_are_named_by_their_path() {
        let mut rows = Vec::new();
        let step = "train".parse().unwrap();
        let value = json!({"epochs": 40, "target": {"column": "Churn", "options": {}}, "hidden": [64, 32], "x": null});
        flatten(Some(&step), "", &value, &mut rows);
        let shown: Vec<String> = rows.iter().map(|row| format!("{}={}", row.param, row.value)).collect();
        assert_eq!(shown, ["epochs=40", "target.column=Churn", "target.options={}", "hidden=[64,32]", "x=null"]);
    }
}
