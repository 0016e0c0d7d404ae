"""Fit server/budgetai_server/next_edit/weights.py on the commits of histories.

    python tests/benchmarks/next_edit_weights.py OUT.json HISTORY:SINCE …      collect candidates
    python tests/benchmarks/next_edit_weights.py --fit A.json B.json …         print the weights

Each candidate behind each hunk is a row: its features, and whether a later hunk did it. A commit
weighs as the root of its rows, so that no migration outweighs the rest.
"""

import json
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np

from budgetai_core import repository
from budgetai_core.evaluation.typed_lines import reformats
from budgetai_core.repository.commits import FileChange, Replay, commits_after
from budgetai_core.repository.history import resolve
from budgetai_server.evaluation.edits import done_by, hunks_of, replayed
from budgetai_server.next_edit.proposer import Documents, NextEdits, Proposal
from budgetai_server.next_edit.ranking import features, probability

# Behind so many hunks of a commit.
MAX_HUNKS = 150
RIDGE = 2.0


class Collecting(NextEdits):
    """Keeps the features of all candidates behind each hunk, and whether they were right."""

    def __init__(self, changes: list[FileChange], rows: list[list[object]], commit: str) -> None:
        super().__init__(threshold=0.5)
        self.todo = list(hunks_of(changes))
        self.rows, self.commit, self.number = rows, commit, -1

    def propose(self, document: str, line: int, documents: Documents) -> Proposal | None:
        self.number += 1
        best = None
        for candidate in self.candidates(document, line, documents):
            values = features(candidate)
            proposal = self.proposal(candidate)
            right = done_by(proposal, self.number, self.todo) is not None
            self.rows.append([self.commit, self.number, values, int(right)])
            chance = probability(values, self._weights)
            if chance >= 0.5 and (best is None or chance > best[0]):
                best = chance, proposal
        if best is None:
            return None
        self.show(best[1])
        return best[1]


def collect(out: Path, histories: list[str]) -> None:
    rows: list[list[object]] = []
    for history in histories:
        folder, _, since = history.rpartition(":")
        root = repository.open_repository(Path(folder))
        replay, tree = Replay(root), {}
        for commit, parent in commits_after(root, resolve(root, since)):
            changes = [c for c in replay.changes(parent, commit) if c.before is not None]
            if not changes or reformats(changes):
                continue
            for path, text in replay.go_to(parent):
                tree[path] = text
            tree = {path: text for path, text in tree.items() if text is not None}
            collecting = Collecting(changes, rows, f"{root.name} {commit}")
            list(islice(replayed(commit, changes, tree, collecting), MAX_HUNKS))
    out.write_text(json.dumps(rows))
    print(len(rows), "rows,", sum(int(row[3]) for row in rows), "right")


def fit(rows: list[list[object]], ridge: float = RIDGE) -> dict[str, float]:
    names = sorted({name for row in rows for name in row[2]})
    column = {name: number for number, name in enumerate(names)}
    x = np.zeros((len(rows), len(names) + 1))
    x[:, -1] = 1
    for number, row in enumerate(rows):
        for name, value in row[2].items():
            x[number, column[name]] = value
    y = np.array([float(row[3]) for row in rows])
    per_commit = Counter(row[0] for row in rows)
    weight = np.array([per_commit[row[0]] ** -0.5 for row in rows])
    weight *= len(weight) / weight.sum()
    penalty = np.array([ridge] * len(names) + [1e-6])
    beta = np.zeros(len(names) + 1)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (weight * (p - y)) + penalty * beta
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        beta -= step
        if np.abs(step).max() < 1e-6:
            break
    return {
        name: round(float(value), 2) for name, value in zip([*names, "bias"], beta, strict=True)
    }


def best_of_each(rows: list[list[object]], weights: dict[str, float]) -> np.ndarray:
    best: dict[tuple[object, object], tuple[float, int]] = {}
    for commit, number, values, right in rows:
        chance = probability(values, weights)
        if chance > best.get((commit, number), (0.0, 0))[0]:
            best[commit, number] = chance, right
    return np.array(sorted(best.values(), reverse=True))


def main(arguments: list[str]) -> None:
    if arguments[0] != "--fit":
        collect(Path(arguments[0]), arguments[1:])
        return
    sets = [json.loads(Path(name).read_text()) for name in arguments[1:]]
    for left_out, rows in enumerate(sets):
        others = [row for n, other in enumerate(sets) if n != left_out for row in other]
        if others:
            best = best_of_each(rows, fit(others))
            for threshold in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85):
                shown = best[best[:, 0] >= threshold]
                print(f"{arguments[left_out + 1]} kept back, from {threshold}: {len(shown)} shown,"
                      f" {shown[:, 1].mean() if len(shown) else 0:.3f} right")  # fmt: skip
    weights = fit([row for rows in sets for row in rows])
    for name, value in weights.items():
        print(f'    "{name}": {value},')


if __name__ == "__main__":
    main(sys.argv[1:])
