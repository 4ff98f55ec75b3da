"""Expected coefficients for `ml::linear`, computed by scikit-learn.

pip install scikit-learn==1.9.1
python tools/oracle/linear.py > tests/fixtures/oracle/linear.json
"""

import json

import numpy as np
import sklearn
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

rng = np.random.default_rng(20260102)


def data(rows, columns, codes):
    # Columns of very different size and centre, as raw tables have them; all are exact in single precision.
    scale = np.array([1.0, 50.0, 0.05, 4.0, 1.0])[:columns]
    centre = np.array([0.0, 1000.0, 1.0, -3.0, 0.0])[:columns]
    numbers = (rng.normal(size=(rows, columns)) * scale + centre).astype(np.float32)
    category = rng.integers(0, codes, rows) if codes else np.zeros(rows, dtype=int)
    design = np.hstack([numbers.astype(float), np.eye(codes)[category] if codes else np.zeros((rows, 0))])
    signal = ((numbers - centre) / scale).sum(axis=1) + 0.7 * category
    return numbers, category, design, signal


def case(kind, rows, columns, codes, classes, weighted, strength):
    numbers, category, design, signal = data(rows, columns, codes)
    weight = np.round(rng.uniform(0.2, 2.0, rows), 2) if weighted else None
    noisy = signal + rng.normal(0, 1.5, rows)
    if kind == "logistic":
        target = np.digitize(noisy, np.quantile(noisy, np.arange(1, classes) / classes))
        # newton-cholesky is exact for what the optimisers approximate.
        model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-12, max_iter=1000)
        model.fit(design, target, sample_weight=weight)
        intercepts = model.intercept_ - (model.intercept_.mean() if classes > 2 else 0.0)
        probabilities = model.predict_proba(design[:5])
    else:
        target = np.round(noisy, 3)
        model = Ridge(alpha=strength, solver="svd") if strength > 0 else LinearRegression()
        model.fit(design, target, sample_weight=weight)
        intercepts = np.array([model.intercept_])
        probabilities = model.predict(design[:5])
    return {
        "kind": kind,
        "columns": columns,
        "codes": codes,
        "classes": classes,
        "strength": strength,
        "numbers": numbers.astype(float).ravel().tolist(),
        "category": category.tolist(),
        "target": target.tolist(),
        "weight": None if weight is None else weight.tolist(),
        "coefficients": np.atleast_2d(model.coef_).ravel().tolist(),
        "intercepts": np.atleast_1d(intercepts).tolist(),
        "predicted": probabilities.ravel().tolist(),
    }


print(
    json.dumps(
        {
            "made_by": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}",
            "cases": [
                case("logistic", 80, 5, 0, 2, False, 1.0),
                case("logistic", 80, 4, 3, 2, True, 0.1),
                case("logistic", 60, 3, 0, 2, False, 100.0),
                case("logistic", 90, 3, 4, 3, False, 1.0),
                case("logistic", 90, 5, 0, 4, True, 0.5),
                case("ridge", 60, 5, 0, 0, False, 1.0),
                case("ridge", 60, 3, 4, 0, True, 10.0),
                case("ridge", 50, 5, 0, 0, False, 0.0),
            ],
        },
        separators=(",", ":"),
    )
)
