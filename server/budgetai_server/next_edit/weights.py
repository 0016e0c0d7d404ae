"""Weights of the logistic regression that ranks next edits, and from where on one is shown.

Fitted on the later commits of open-source histories by tests/benchmarks/next_edit_weights.py, none
of which is a history that tests/benchmarks/RESULTS.md judges them on.
"""

# fmt: off
WEIGHTS = {
    "age 1": -0.26,
    "age 3": 0.11,
    "agreement": 0.57,
    "anchor": 0.17,
    "anchor words": 1.11,
    "below": 0.16,
    "between both": 1.21,
    "characters": 0.31,
    "comment": -1.08,
    "defines": 0.22,
    "distance": -1.0,
    "elsewhere": 0.39,
    "five edits": 0.46,
    "ignored": 0.69,
    "ignored to done": -0.72,
    "kind delete": -0.6,
    "kind insert": 0.82,
    "kind lines": 0.09,
    "kind lines in": -0.06,
    "kind replace": -0.25,
    "left": 0.66,
    "left 1": 0.13,
    "left behind": -1.22,
    "longest word": 0.74,
    "margin": 2.11,
    "name": -0.43,
    "new words": -0.63,
    "no word": -1.16,
    "over lines": 0.79,
    "passed": -0.54,
    "passed is liker": -0.64,
    "passed more than done": 0.9,
    "passed to done": -0.69,
    "place defines": -0.59,
    "right": -0.73,
    "right 1": 0.94,
    "same line": 0.86,
    "several in an edit": -0.15,
    "similar line": 0.61,
    "similar name": 0.58,
    "spread": -2.08,
    "string": -0.29,
    "taken": 0.16,
    "three edits": 0.32,
    "to lines": -0.01,
    "whole": 0.13,
    "whole twice": 1.76,
    "words": 0.37,
    "wraps": -0.72,
    "bias": -2.15,
}
# fmt: on

THRESHOLD = 0.7
