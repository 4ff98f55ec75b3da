use serde_json::json;

use super::*;
use crate::ml::features::Feature;
use crate::ml::model::ModelDescription;
use crate::step::evaluation::findings::TaskFindings;
use crate::step::evaluation::measured::Measured;
use crate::table::roles::Task;

fn findings() -> Findings {
    let measured = |value| Measured { value, low: None, high: None };
    Findings {
        model: ModelDescription {
            kind: "linear".to_owned(),
            task: Task::Regression,
            target: "price".to_owned(),
            features: vec![Feature { name: "rooms".to_owned(), categories: None }],
            params: json!({"alpha": 1.0}),
            seed: 7,
            architecture: Value::Null,
            training: Value::Null,
            metrics: std::collections::BTreeMap::new(),
        },
        kind: "evaluate.regressor",
        rows: 12,
        resamples: 0,
        metrics: [("rmse", measured(Some(2.5))), ("r2", measured(None))].into_iter().collect(),
        slices: Vec::new(),
        importance_score: "r2",
        importance: Vec::new(),
        task: TaskFindings::Regression { scatter: Vec::new() },
    }
}

#[test]
fn a_card_holds_what_was_promised_beside_what_was_measured() {
    let record = json!({
        "pipeline": "housing",
        "owner": "sales",
        "objectives": {"business": "Price houses | flats."},
        "criteria": {"ml": {"rmse": {"max": 3.0}, "r2": {"min": 0.5}}, "economic": {"saving": {"min": 10.0, "unit": "EUR"}}},
        "risks": {"stale": {"text": "Prices move.", "severity": "high"}},
        "gates": {"contract": {"verdict": "passed", "evidence": {"failed": 0}}},
    });
    insta::assert_snapshot!(Card::new(&findings(), &record).markdown(), @r"
    # Model card: housing

    ## Model details

    |  |  |
    | --- | --- |
    | Kind | linear |
    | Task | a number |
    | Target | price |
    | Features | 1 |
    | Training params | alpha: 1.0 |
    | Training seed | 7 |
    | Owner | sales |
    | Pipeline | housing |

    ## Intended use

    | Objective |  |
    | --- | --- |
    | business | Price houses \| flats. |

    ## Success criteria

    | Kind | Metric | Wanted | Measured | Met |
    | --- | --- | --- | --- | --- |
    | ml | rmse | at most 3 | 2.5 | yes |
    | ml | r2 | at least 0.5 | undefined | not evaluable |
    | economic | saving | at least 10 EUR | - | not measured here |

    ## Risks

    | Risk | What may go wrong | Severity |
    | --- | --- | --- |
    | stale | Prices move. | high |

    ## Quality gates

    Verdicts up to the time of this evaluation; later gates are in the run's lineage.

    | Gate | Verdict | Evidence |
    | --- | --- | --- |
    | contract | passed | failed = 0 |

    ## Metrics

    Measured on 12 test rows that no step has learnt from.

    | Metric | Value | 95 % interval |
    | --- | --- | --- |
    | rmse | 2.5 | - |
    | r2 | undefined | - |

    ## Caveats

    There are only 12 test rows; the intervals are wide for that reason.

    No slices were measured, so nothing is known of how the model treats different groups.

    The measures hold for data like the test rows. Watch for drift, and evaluate again before the model serves another population.
    ");
}

#[test]
fn a_card_without_a_record_is_still_a_card() {
    let text = Card::new(&findings(), &Value::Null).markdown();
    assert!(text.starts_with("# Model card: price\n") && text.contains("The manifest states no objectives"));
}

#[test]
fn nothing_in_a_page_is_taken_for_markup() {
    let record = json!({"pipeline": "<script>alert(1)</script>", "description": "a < b"});
    let page = Card::new(&findings(), &record).html();
    assert!(!page.contains("<script>") && page.contains("a &lt; b"));
    assert!(!page.contains("http"));
}

#[test]
fn numbers_are_short() {
    let shown = [0.0, 12.0, 0.841_234_56, 1234.56, 45.678, 0.000_012_3].map(|value| number(Some(value)));
    assert_eq!(shown, ["0", "12", "0.8412", "1235", "45.68", "1.23e-5"]);
    assert_eq!(number(None), "undefined");
}
