"""Writes tests/fixtures/oracle/discretise.json: bins by scikit-learn. See cases.py."""

import numpy as np
from sklearn.preprocessing import KBinsDiscretizer

from cases import DATA, Cases, column

cases = Cases()

for data in ["positive", "tiny", "constant"]:
    for bins in [3, 8]:
        for params in [{"strategy": "kmeans"}, {"strategy": "quantile", "quantile_method": "linear"}, {"strategy": "quantile", "quantile_method": "inverted_cdf"}]:
            method = params.get("quantile_method", "averaged_inverted_cdf")
            model = KBinsDiscretizer(bins, strategy=params["strategy"], encode="ordinal", quantile_method=method, subsample=None)
            fit, fresh = (column(part) for part in DATA[data])
            model.fit(fit)
            present = ~np.isnan(fresh[:, 0])
            out = np.full(len(fresh), np.nan)
            out[present] = model.transform(fresh[present])[:, 0]
            cases.add(f"{params} {bins} {data}", [{"bin": {"n_bins": bins, "encode": "ordinal", **params}}], data, model.transform(fit), out)
edges = [0.5, 2.0, 40.0]
fit, fresh = DATA["positive"]
cases.add("edges", [{"bin": {"strategy": "edges", "edges": edges, "encode": "ordinal"}}], "positive", np.digitize(fit, edges), np.digitize(fresh, edges))

cases.write("discretise", "scikit-learn")
