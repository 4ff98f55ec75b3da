"""Expected values for `ml::metrics`, computed by scikit-learn and SciPy.

pip install scikit-learn==1.9.1 scipy==1.17.1
python tools/oracle/metrics.py > tests/fixtures/oracle/metrics.json
"""

import json
import warnings

import numpy as np
import scipy.stats
import sklearn
from sklearn import metrics as m

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20260101)
NAN = np.nan


def clean(value):
    value = float(value)
    return value if np.isfinite(value) else None


def guarded(function):
    try:
        return clean(function())
    except ValueError:
        return None


def ece(truth, score, weight, bins=15):
    index = np.minimum((score * bins).astype(int), bins - 1)
    gaps = [abs(np.sum((weight * (score - truth))[index == b])) for b in range(bins)]
    return np.sum(gaps) / np.sum(weight)


def weights(kind, rows):
    if kind == 0:
        return None
    if kind == 1:
        return rng.integers(1, 4, rows).astype(float)
    return np.round(rng.uniform(0.1, 3.0, rows), 3)


def binary(case):
    rows = int(rng.integers(4, 40))
    truth = (rng.uniform(size=rows) < rng.uniform(0.2, 0.8)).astype(int)
    if case % 8 == 7:
        truth[:] = case % 16 == 7
    # Few digits make ties; the extremes are on purpose.
    score = np.round(np.clip(rng.normal(0.3 + 0.3 * truth, 0.25), 0, 1), 1 + case % 3)
    threshold = [0.5, 0.3, 0.95][case % 3]
    weight = weights(case % 3 if case % 2 else case // 2 % 3, rows)
    predicted = (score >= threshold).astype(int)
    both = 0 < truth.sum() < rows
    w = {"sample_weight": weight}
    unit = np.ones(rows) if weight is None else weight
    nan = {"zero_division": NAN, **w}
    fpr, tpr, _ = m.roc_curve(truth, score, drop_intermediate=False, **w)
    ks = np.max(np.abs(tpr - fpr)) if both else NAN
    if both and weight is None:
        exact = scipy.stats.ks_2samp(score[truth == 1], score[truth == 0]).statistic
        assert abs(ks - exact) < 1e-12
    defined = both and 0 < predicted.sum() < rows
    expected = {
        "roc_auc": guarded(lambda: m.roc_auc_score(truth, score, **w)),
        "average_precision": guarded(lambda: m.average_precision_score(truth, score, **w)) if truth.any() else None,
        "accuracy": clean(m.accuracy_score(truth, predicted, **w)),
        "balanced_accuracy": clean(m.balanced_accuracy_score(truth, predicted, **w)),
        "precision": clean(m.precision_score(truth, predicted, **nan)),
        "recall": clean(m.recall_score(truth, predicted, **nan)),
        "f1": clean(m.f1_score(truth, predicted, **nan)),
        "specificity": clean(m.recall_score(truth, predicted, pos_label=0, **nan)),
        "npv": clean(m.precision_score(truth, predicted, pos_label=0, **nan)),
        "mcc": clean(m.matthews_corrcoef(truth, predicted, **w)) if defined else None,
        "cohen_kappa": guarded(lambda: m.cohen_kappa_score(truth, predicted, labels=[0, 1], **w)),
        "log_loss": clean(m.log_loss(truth, score, labels=[0, 1], **w)),
        "brier": clean(m.brier_score_loss(truth, score, labels=[0, 1], pos_label=1, **w)),
        "ece": clean(ece(truth, score, unit)),
        "ks_statistic": clean(ks),
    }
    return {
        "truth": truth.tolist(),
        "score": score.tolist(),
        "threshold": threshold,
        "weight": None if weight is None else weight.tolist(),
        "expected": expected,
    }


def multiclass(case):
    rows, classes = int(rng.integers(6, 40)), int(rng.integers(3, 6))
    truth = rng.integers(0, classes - (case % 5 == 4), rows)
    logits = rng.normal(size=(rows, classes)) + 1.2 * np.eye(classes)[truth]
    score = np.exp(np.round(logits, 1))
    score /= score.sum(axis=1, keepdims=True)
    weight = weights(case % 3, rows)
    predicted = score.argmax(axis=1)
    w = {"sample_weight": weight}
    labels = list(range(classes))
    complete = len(set(truth)) == classes
    # scikit-learn has no weights for its macro one-against-rest area; it is the mean of the binary ones.
    def area(average):
        if not complete:
            return None
        areas = [m.roc_auc_score(truth == c, score[:, c], **w) for c in labels]
        if average == "macro":
            if weight is None:
                assert abs(np.mean(areas) - m.roc_auc_score(truth, score, multi_class="ovr")) < 1e-12
            return clean(np.mean(areas))
        unit = np.ones(rows) if weight is None else weight
        return clean(np.average(areas, weights=[unit[truth == c].sum() for c in labels]))

    expected = {
        "roc_auc_ovr": area("macro"),
        "roc_auc_ovr_weighted": area("weighted"),
        "accuracy": clean(m.accuracy_score(truth, predicted, **w)),
        "balanced_accuracy": clean(m.balanced_accuracy_score(truth, predicted, **w)),
        "mcc": clean(m.matthews_corrcoef(truth, predicted, **w)),
        "cohen_kappa": clean(m.cohen_kappa_score(truth, predicted, **w)),
        "log_loss": clean(m.log_loss(truth, score, labels=labels, **w)),
    }
    for average in ["macro", "weighted"]:
        for name, function in [("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score)]:
            expected[f"{name}_{average}"] = clean(function(truth, predicted, average=average, zero_division=0, **w))
    return {
        "classes": classes,
        "truth": truth.tolist(),
        "score": score.ravel().tolist(),
        "weight": None if weight is None else weight.tolist(),
        "expected": expected,
    }


def regression(case):
    rows = int(rng.integers(3, 30))
    truth = np.round(rng.normal(3, 5, rows), 2)
    if case % 7 == 6:
        truth[:] = 2.5
    predicted = np.round(truth + rng.normal(0.3, 2, rows), 2)
    weight = weights(case % 3, rows)
    w = {"sample_weight": weight}
    constant = len(set(truth)) == 1
    size = np.abs(truth) + np.abs(predicted)
    expected = {
        "mae": m.mean_absolute_error(truth, predicted, **w),
        "mse": m.mean_squared_error(truth, predicted, **w),
        "rmse": m.root_mean_squared_error(truth, predicted, **w),
        "mape": m.mean_absolute_percentage_error(truth, predicted, **w),
        "smape": np.average(2 * np.abs(truth - predicted) / size, weights=weight),
        "medae": m.median_absolute_error(truth, predicted, **w),
        "r2": NAN if constant else m.r2_score(truth, predicted, **w),
        "explained_variance": NAN if constant else m.explained_variance_score(truth, predicted, **w),
        "max_error": m.max_error(truth, predicted),
    }
    return {
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "weight": None if weight is None else weight.tolist(),
        "expected": {name: clean(value) for name, value in expected.items()},
    }


print(
    json.dumps(
        {
            "made_by": f"scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, numpy {np.__version__}",
            "binary": [binary(case) for case in range(48)],
            "multiclass": [multiclass(case) for case in range(20)],
            "regression": [regression(case) for case in range(24)],
        },
        separators=(",", ":"),
    )
)
