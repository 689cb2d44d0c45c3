#!/usr/bin/env python3
"""Golden data of nlu/example_regression.h: scikit-learn's logistic regression on small seeded problems.

    python3 tests/golden/nlu/make_regression.py        (PyPI: scikit-learn 1.9); writes regression.txt beside it

For each problem a line `problem EXAMPLES WIDTH CLASSES QUERIES`, then the vectors of the examples behind their class, then the queries, each behind the
log-probabilities that scikit-learn gives them: C = 10 (of two classes 20), class_weight "balanced", lbfgs to a gradient of 1e-8.
"""
import os

import numpy as np
from sklearn.linear_model import LogisticRegression

PROBLEMS = [((4, 4, 4), 6, 5), ((1, 9, 3, 2), 20, 6), ((2, 2), 3, 4), (tuple(range(1, 20)), 24, 8)]  # examples of each class, width, queries


def lines(rng, counts, width, queries):
    middle = rng.normal(size=(len(counts), width))
    y = np.repeat(np.arange(len(counts)), counts)
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    x, q = unit(1 + middle[y] + rng.normal(size=(len(y), width))), unit(1 + rng.normal(size=(queries, width)))
    x, q = x.astype(np.float32), q.astype(np.float32)
    c = 10 if len(counts) > 2 else 20  # of two classes it has the weights of one, which stand for both halves
    log_p = LogisticRegression(C=c, class_weight="balanced", tol=1e-8, max_iter=10000).fit(x.astype(np.float64), y).predict_log_proba(q.astype(np.float64))
    yield f"problem {len(y)} {width} {len(counts)} {queries}"
    words = lambda row: " ".join(f"{v:.9g}" for v in row)
    yield from (f"{c} {words(row)}" for c, row in zip(y, x))
    yield from (f"{words(p)} {words(row)}" for p, row in zip(log_p, q))


def main():
    rng = np.random.default_rng(5)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "regression.txt"), "w", encoding="utf-8") as f:
        for problem in PROBLEMS:
            f.writelines(line + "\n" for line in lines(rng, *problem))


if __name__ == "__main__":
    main()
