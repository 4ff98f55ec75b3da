//! Any text as an expression, evaluated over values of every type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phaseline::expr::Expr;
use serde_json::json;

fuzz_target!(|text: &str| {
    let Ok(expression) = Expr::parse(text) else { return };
    expression.paths();
    let scope = json!({
        "a": 1, "b": -2.5, "c": "text", "d": null, "e": true, "f": [1, 2, 3], "g": {"h": "2026-03-29T02:30:00Z"},
        "params": {"seed": 7}, "steps": {"report": {"metrics": {"roc_auc": 0.84, "failed": 0}, "state": "succeeded"}},
        "criteria": {"ml": {"met": true}},
    });
    if let Err(error) = expression.eval_scalar(&scope) {
        assert!(!error.to_string().is_empty());
    }
});
