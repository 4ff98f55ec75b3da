"""Writes tests/fixtures/oracle/construct.json: what scikit-learn and feature-engine make out of small columns and texts.

Needs: scikit-learn==1.9.1 feature-engine==1.9.4 numpy==2.4.6 pandas==3.1.1
Run from the repository's root: python tools/oracle/construct.py
"""

import json
import math
import warnings

import feature_engine
import numpy as np
import pandas as pd
import sklearn
from feature_engine.creation import CyclicalFeatures, RelativeFeatures
from feature_engine.text import TextFeatures
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from feature_engine.selection import DropCorrelatedFeatures
from sklearn.feature_selection import SelectKBest, VarianceThreshold, chi2, f_classif, mutual_info_classif
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer

warnings.simplefilter("ignore")
random = np.random.default_rng(20261121)
ROWS, SEED = 24, 7
cases, tables, FIRST = [], [], 6


def numbers(values):
    return {"type": "float", "values": [None if math.isnan(v) else float(v) for v in values]}


def texts(values):
    return {"type": "text", "values": [None if v is None else str(v) for v in values]}


def short(value):
    # Expected values to 11 digits: what is compared is compared to 9. Whole numbers need no point.
    value = float(f"{value:.11g}")
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


def rows(values):
    return [[None if math.isnan(v) else short(v) for v in column] for column in np.asarray(values, dtype=float).T]


def shared(columns):
    if columns not in tables:
        tables.append(columns)
    return tables.index(columns)


def case(name, transforms, columns, fresh, fit_out, fresh_out):
    # Of the fit rows the first few say enough, and tables are written once.
    cases.append({"name": name, "transforms": transforms, "target": "binary", "columns": shared(columns), "fresh": shared(fresh),
                  "fit": [column[:FIRST] for column in rows(fit_out)], "applied": rows(fresh_out)})


a = np.round(random.normal(3, 2, ROWS), 2)
b = np.round(np.exp(random.normal(0, 1, ROWS)), 3)
c = random.integers(1, 24, ROWS).astype(float)
fresh = {"a": np.array([0.0, -7.5, 1e6, 3.25]), "b": np.array([0.0, 1e-9, 2.5, 40.0]), "c": np.array([0.0, 23.0, 12.0, 30.0])}
frame, other = pd.DataFrame({"a": a, "b": b, "c": c}), pd.DataFrame(fresh)


def table(frame):
    return {name: numbers(frame[name]) for name in frame}


for degree, only, bias in [(2, False, False), (3, False, True), (2, True, False), (3, True, False), (4, False, False)]:
    model = PolynomialFeatures(degree=degree, interaction_only=only, include_bias=bias).fit(frame)
    # The columns themselves come first, then the constant, then the products.
    order = lambda found: np.hstack([found[:, bias : bias + 3], found[:, :bias], found[:, bias + 3 :]])
    case(f"polynomial {degree} {only} {bias}",
         [{"polynomial": {"degree": degree, "interaction_only": only, "include_bias": bias}}], table(frame), table(other),
         order(model.transform(frame)), order(model.transform(other)))

for knots in ["uniform", "quantile"]:
    for n_knots, degree, extrapolation, bias in [
        (5, 3, "constant", True), (4, 2, "linear", True), (3, 1, "linear", False), (5, 3, "linear", False), (6, 0, "constant", True),
        (4, 3, "continue", True), (2, 1, "constant", True), (7, 4, "constant", True),
    ]:
        # Beside other columns, scikit-learn takes those after the first one for curves of a higher degree.
        these = ["a"] if extrapolation == "linear" and degree <= 1 else list("abc")
        model = SplineTransformer(n_knots=n_knots, degree=degree, knots=knots, extrapolation=extrapolation, include_bias=bias)
        # Beyond the range, scikit-learn fails at degree 0, and curves that go on as they are grow out of all measure.
        near = other.copy() if extrapolation != "continue" and degree > 0 else pd.DataFrame({"a": [0.5, 3.0], "b": [0.3, 2.0], "c": [2.0, 21.0]})
        params = {"n_knots": n_knots, "degree": degree, "knots": knots, "extrapolation": extrapolation, "include_bias": bias}
        case(f"spline {params}", [{"spline": params}], table(frame[these]), table(near[these]), model.fit_transform(frame[these]), model.transform(near[these]))

waves = CyclicalFeatures(variables=["a", "c"]).fit(frame)
case("cyclical", [{"cyclical": {}, "columns": ["a", "c"]}], table(frame), table(other), waves.transform(frame), waves.transform(other))
waves = CyclicalFeatures(variables=["c"], max_values={"c": 24}, drop_original=True).fit(frame)
case("cyclical of 24", [{"cyclical": {"max_value": 24, "drop_original": True}, "columns": ["c"]}], table(frame), table(other),
     waves.transform(frame), waves.transform(other))

functions = ["sub", "add", "mul", "div", "floordiv", "mod", "pow"]
for function in functions:
    positive = pd.DataFrame({"a": [1.5, -7.5, 3.0], "b": [2.0, 0.25, 2.5], "c": [0.0, 23.0, 12.0]})
    model = RelativeFeatures(variables=["c"], reference=["b"], func=[function], fill_value=-1.0).fit(frame)
    case(f"relative {function}", [{"relative": {"reference": ["b"], "func": [function], "fill_value": -1.0}, "columns": ["c"]}],
         table(frame), table(positive), model.transform(frame), model.transform(positive))
zeros = RelativeFeatures(variables=["a", "c"], reference=["b"], func=["div"], fill_value=0.5).fit(frame)
case("relative by zero", [{"relative": {"reference": ["b"], "fill_value": 0.5}}], table(frame), table(other),
     zeros.transform(frame), zeros.transform(other))

words = ["the cat sat", "on the mat", "", "The CAT, the Hat!", "naïve café naïve", "1 22 333 1", "a b c", "it's don't", "日本語 text", "x" * 30, "Ünï Ångström ﬁne 한글 Søren"]
documents = [words[i] for i in random.integers(0, len(words), 18)]
documents += ["cat  hat\tmat", "mat", "mat mat mat", "  two  words  "]
new = ["the cat", "unseen words", "", "MAT mat hat", "naïve", " ", "333 1"]
FEW = {"analyzer": "char", "ngram_range": [2, 3], "max_features": None}
for params in [
    {}, {"lowercase": False}, {"ngram_range": [1, 2]}, {"min_df": 3}, {"max_df": 0.3}, {"min_df": 0.1, "max_df": 6}, {"binary": True},
    {"stop_words": ["the", "on"]}, {"stop_words": "english"}, {"strip_accents": "unicode"}, {"strip_accents": "ascii", "lowercase": False}, {"token_pattern": "\\b\\w+\\b"}, {"token_pattern": "(\\w)at"}, {"analyzer": "char", "min_df": 6},
    {"analyzer": "char", "ngram_range": [2, 3], "min_df": 7}, {"analyzer": "char_wb", "ngram_range": [2, 4], "min_df": 7},
]:
    given = dict(params)
    if "ngram_range" in given:
        given["ngram_range"] = tuple(given["ngram_range"])
    for key, Model, extra in [
        ("count_vectorizer", CountVectorizer, [{}]),
        ("tfidf", TfidfVectorizer, [{}] if params else [{}, {"sublinear_tf": True}, {"norm": "l1"}, {"norm": None}, {"use_idf": False}, {"smooth_idf": False}]),
    ]:
        for more in extra:
            model = Model(**given, **more).fit(documents)
            ours = {**params, **{name: "none" if value is None else value for name, value in more.items()}}
            case(f"{key} {ours}", [{key: ours}], {"text": texts(documents)}, {"text": texts(new)},
                 model.transform(documents).toarray(), model.transform(new).toarray())
for params in [{}, {"alternate_sign": False}, {"norm": "l1"}, {"norm": None}, {"binary": True, "alternate_sign": False}, {"ngram_range": [1, 2]}]:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in params.items()}
    model = HashingVectorizer(n_features=12, **given)
    ours = {"n_features": 12, **{name: "none" if value is None else value for name, value in params.items()}}
    case(f"hashing_vectorizer {ours}", [{"hashing_vectorizer": ours}], {"text": texts(documents)}, {"text": texts(new)},
         model.transform(documents).toarray(), model.transform(new).toarray())

spoken = ["Hello world. How are you?", "", "ALL CAPS!!!", "no punctuation", "  padded  text ", "Tab\tand 123 digits.", "naïve Café é", "one", "Why?! Oh..."]
model = TextFeatures(variables=["text"], drop_original=True).fit(pd.DataFrame({"text": spoken}))
found = model.transform(pd.DataFrame({"text": spoken}))
found = found.replace([np.inf, -np.inf], np.nan).to_numpy(dtype=float)
many, other_many = [spoken[i % len(spoken)] for i in range(18)], spoken
case("text_stats", [{"text_stats": {}}], {"text": texts(many)}, {"text": texts(other_many)}, np.vstack([found, found]), found)

mixed = random.normal(size=(ROWS, 4)) @ random.normal(size=(4, 4)) * [1.0, 20.0, 0.1, 3.0] + [5.0, -100.0, 0.0, 1.0]
mixed = pd.DataFrame(np.round(mixed, 4), columns=list("pqrs"))
near = pd.DataFrame(np.round(random.normal(size=(5, 4)), 3), columns=list("pqrs"))
for params in [{"n_components": 2}, {}, {"n_components": 0.95}, {"n_components": 3, "whiten": True}, {"n_components": 0.5}]:
    model = PCA(svd_solver="full", **params).fit(mixed)
    case(f"pca {params}", [{"pca": params}], table(mixed), table(near), model.transform(mixed), model.transform(near))
for components in [1, 2, 3]:
    model = TruncatedSVD(n_components=components, algorithm="arpack", random_state=0).fit(mixed)
    case(f"truncated_svd {components}", [{"truncated_svd": components}], table(mixed), table(near),
         model.transform(mixed), model.transform(near))

labels = np.array(["No", "Yes"])[np.arange(ROWS) % 2]
wide = pd.DataFrame({f"v{i}": np.round(random.normal(size=ROWS) + (i % 3) * (labels == "Yes"), 3) for i in range(6)})
wide["v1"] = np.round(wide["v0"] * 2 + random.normal(0, 0.1, ROWS), 3)
wide["v4"] = 0.1
scores = {}
for threshold in [0.0, 1.2]:
    model = VarianceThreshold(threshold).fit(wide)
    scores[f"variance_threshold {threshold}"] = model.variances_.tolist()
    case(f"variance_threshold {threshold}", [{"variance_threshold": threshold}], table(wide), table(wide[:4]),
         model.transform(wide), model.transform(wide[:4]))
counted = pd.DataFrame(random.poisson(2, (ROWS, 5)) * 1.0, columns=list("defgh"))
varied = wide.drop(columns="v4")
for name, function, data in [
    ("f_classif", f_classif, wide), ("chi2", chi2, counted),
    ("mutual_info", lambda x, y: mutual_info_classif(x, y, random_state=0), varied),
]:
    model = SelectKBest(function, k=2).fit(data, labels)
    scores[f"k_best {name}"] = [None if np.isnan(score) else float(score) for score in model.scores_]
    case(f"k_best {name}", [{"k_best": {"k": 2, "score": name}}], table(data), table(data[:3]), model.transform(data), model.transform(data[:3]))
for threshold in [0.8, 0.3]:
    holes = varied.copy()
    holes.loc[[2, 9], "v0"] = np.nan
    model = DropCorrelatedFeatures(threshold=threshold, missing_values="ignore").fit(holes)
    case(f"drop_correlated {threshold}", [{"drop_correlated": threshold}], table(holes), table(holes[:3]),
         model.transform(holes), model.transform(holes[:3]))

# Every table needs a target of its length.
for one in cases:
    length = len(next(iter(tables[one["columns"]].values()))["values"])
    one["target"] = f"binary_{length}"
lengths = sorted({int(one["target"].removeprefix("binary_")) for one in cases})
with open("tests/fixtures/oracle/construct.json", "w") as file:
    json.dump(
        {
            "made_by": f"scikit-learn {sklearn.__version__}, feature-engine {feature_engine.__version__}, numpy {np.__version__}",
            "seed": SEED,
            "targets": {f"binary_{length}": texts(["No", "Yes"][i % 2] for i in range(length)) for length in lengths},
            "tables": tables,
            "cases": cases,
            "scores": scores,
        },
        file, separators=(",", ":"), ensure_ascii=False,
    )
