//! The sections of the card about what was measured.

use super::plots::{Axes, Plot};
use super::{Block, Section, number};
use crate::ml::metrics::{CurvePoint, ThresholdRow};
use crate::step::evaluation::findings::{BinaryFindings, ClassFindings, Findings, TaskFindings};
use crate::step::evaluation::measured::{Measured, SliceReport};

/// How many features the importance plot and table show.
const SHOWN_FEATURES: usize = 20;

/// Metrics, what the task adds, slices, importance and caveats.
pub(super) fn sections(findings: &Findings) -> Vec<Section> {
    let mut sections = vec![metrics(findings)];
    match &findings.task {
        TaskFindings::Binary(binary) => sections.extend(binary_sections(findings, binary)),
        TaskFindings::Multiclass { confusion, by_class } => {
            sections.push(multiclass_section(findings, confusion, by_class));
        }
        TaskFindings::Regression { scatter } => sections.push(regression_section(scatter)),
    }
    if !findings.slices.is_empty() {
        sections.push(Section { title: "Slices", blocks: findings.slices.iter().flat_map(slice_blocks).collect() });
    }
    if !findings.importance.is_empty() {
        sections.push(importance(findings));
    }
    sections.push(caveats(findings));
    sections
}

fn metrics(findings: &Findings) -> Section {
    let row = |(name, measured): (&&'static str, &Measured)| {
        let interval = match (measured.low, measured.high) {
            (Some(low), Some(high)) => format!("{} to {}", number(Some(low)), number(Some(high))),
            _ => "-".to_owned(),
        };
        vec![(*name).to_owned(), number(measured.value), interval]
    };
    let intervals = match findings.resamples {
        0 => String::new(),
        resamples => format!(" The intervals are 95 % percentiles of {resamples} bootstrap resamples."),
    };
    let text = format!("Measured on {} test rows that no step has learnt from.{intervals}", findings.rows);
    let table = Block::table(&["Metric", "Value", "95 % interval"], findings.metrics.iter().map(row).collect());
    Section { title: "Metrics", blocks: vec![Block::Text(text), table] }
}

fn binary_sections(findings: &Findings, binary: &BinaryFindings) -> Vec<Section> {
    let classes = findings.model.task.classes();
    let share = |label: &str| Axes { x: (0.0, 1.0), y: (0.0, 1.0), x_label: label.to_owned(), y_label: String::new() };
    let roc = Plot::Line {
        title: "ROC curve".to_owned(),
        axes: Axes { y_label: "true positive rate".to_owned(), ..share("false positive rate") },
        points: binary.roc.clone(),
        diagonal: true,
    };
    let precision_recall = Plot::Line {
        title: "Precision and recall".to_owned(),
        axes: Axes { y_label: "precision".to_owned(), ..share("recall") },
        points: binary.precision_recall.clone(),
        diagonal: false,
    };
    let calibration = Plot::Line {
        title: "Calibration".to_owned(),
        axes: Axes { y_label: "observed share".to_owned(), ..share("predicted probability") },
        points: binary.calibration.iter().map(|bin| CurvePoint { x: bin.predicted, y: bin.observed }).collect(),
        diagonal: true,
    };
    let text = format!(
        "A row counts as `{}` from probability {} on ({}).",
        classes[1],
        number(Some(binary.threshold)),
        binary.threshold_rule
    );
    let matrix = confusion_table(classes, &binary.confusion);
    let confusion =
        Plot::Matrix { title: "Confusion".to_owned(), labels: classes.to_vec(), rows: binary.confusion.clone() };
    let row = |row: &ThresholdRow| {
        let confusion = &row.confusion;
        let values = [
            confusion.precision(),
            confusion.recall(),
            confusion.f1(),
            confusion.specificity(),
            confusion.selection_rate(),
        ];
        let mut cells = vec![format!("{:.2}", row.threshold)];
        cells.extend(values.map(number));
        cells
    };
    let header = ["Threshold", "Precision", "Recall", "F1", "Specificity", "Selection rate"];
    // Every fifth threshold reads well; the report has all of them.
    let thresholds = Block::table(&header, binary.thresholds.iter().skip(4).step_by(5).map(row).collect());
    vec![
        Section { title: "Curves", blocks: vec![Block::Plots(vec![roc, precision_recall, calibration])] },
        Section { title: "Decisions", blocks: vec![Block::Text(text), matrix, Block::Plots(vec![confusion])] },
        Section { title: "Thresholds", blocks: vec![thresholds] },
    ]
}

fn multiclass_section(findings: &Findings, confusion: &[Vec<f64>], by_class: &[ClassFindings]) -> Section {
    let row = |class: &ClassFindings| {
        let mut cells = vec![class.label.clone(), number(Some(class.rows))];
        cells.extend([class.precision, class.recall, class.f1, class.roc_auc].map(number));
        cells
    };
    let header = ["Class", "Rows", "Precision", "Recall", "F1", "ROC AUC"];
    let classes = findings.model.task.classes();
    let plot = Plot::Matrix { title: "Confusion".to_owned(), labels: classes.to_vec(), rows: confusion.to_vec() };
    let blocks = vec![
        Block::table(&header, by_class.iter().map(row).collect()),
        confusion_table(classes, confusion),
        Block::Plots(vec![plot]),
    ];
    Section { title: "Classes", blocks }
}

fn regression_section(scatter: &[CurvePoint]) -> Section {
    let values = || scatter.iter().flat_map(|point| [point.x, point.y]);
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    let range = if low < high { (low, high) } else { (low - 0.5, low + 0.5) };
    let axes = Axes { x: range, y: range, x_label: "true value".to_owned(), y_label: "predicted value".to_owned() };
    let plot = Plot::Scatter { title: "Predicted and true values".to_owned(), axes, points: scatter.to_vec() };
    Section { title: "Predictions", blocks: vec![Block::Plots(vec![plot])] }
}

fn confusion_table(classes: &[String], confusion: &[Vec<f64>]) -> Block {
    let mut header = vec!["True class".to_owned()];
    header.extend(classes.iter().map(|label| format!("taken for {label}")));
    let row = |(label, cells): (&String, &Vec<f64>)| {
        let mut row = vec![label.clone()];
        row.extend(cells.iter().map(|cell| number(Some(*cell))));
        row
    };
    Block::Table { header, rows: classes.iter().zip(confusion).map(row).collect() }
}

fn slice_blocks(slice: &SliceReport) -> Vec<Block> {
    let compared: Vec<&'static str> = slice.ratios.keys().copied().collect();
    let mut header = vec![slice.column.clone(), "Rows".to_owned()];
    header.extend(compared.iter().map(|&name| name.to_owned()));
    let mut rows: Vec<Vec<String>> = Vec::new();
    for group in &slice.groups {
        let mut row = vec![group.value.clone(), group.rows.to_string()];
        row.extend(compared.iter().map(|name| number(group.metrics.get(name).copied().flatten())));
        rows.push(row);
    }
    let mut last = vec!["smallest / largest".to_owned(), String::new()];
    last.extend(slice.ratios.values().map(|ratio| number(*ratio)));
    rows.push(last);
    let mut blocks = vec![Block::Table { header, rows }];
    let small = slice.groups.iter().filter(|group| !group.counts).count();
    if small > 0 {
        let text = format!("{small} groups of `{}` have too few rows to enter the ratios.", slice.column);
        blocks.push(Block::Text(text));
    }
    blocks
}

fn importance(findings: &Findings) -> Section {
    let shown = &findings.importance[..findings.importance.len().min(SHOWN_FEATURES)];
    let text = format!("How much {} drops when a feature is shuffled.", findings.importance_score);
    let row = |item: &crate::ml::importance::Importance| {
        vec![item.name.clone(), number(Some(item.mean)), number(Some(item.std))]
    };
    let bars = shown.iter().map(|item| (item.name.clone(), item.mean, item.std)).collect();
    let plot = Plot::Bars { title: "Permutation importance".to_owned(), bars };
    let table = Block::table(&["Feature", "Mean drop", "Standard deviation"], shown.iter().map(row).collect());
    Section { title: "Importance", blocks: vec![Block::Text(text), Block::Plots(vec![plot]), table] }
}

fn caveats(findings: &Findings) -> Section {
    let mut texts = Vec::new();
    if findings.rows < 200 {
        texts.push(format!("There are only {} test rows; the intervals are wide for that reason.", findings.rows));
    }
    if findings.slices.is_empty() {
        texts.push("No slices were measured, so nothing is known of how the model treats different groups.".to_owned());
    }
    texts.push(
        "The measures hold for data like the test rows. Watch for drift, and evaluate again before the model serves another \
         population."
            .to_owned(),
    );
    Section { title: "Caveats", blocks: texts.into_iter().map(Block::Text).collect() }
}
