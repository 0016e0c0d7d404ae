"""The arithmetic of tests/benchmarks/ranks.py."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from rank_judge import truncate
from rank_table import area, table


def test_a_cut_by_svd_is_the_nearest_matrix_of_its_rank() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(6, 20), torch.randn(30, 6)
    whole = b @ a
    u, s, v = torch.linalg.svd(whole)
    for rank in (6, 4, 1):
        truncate(a, b, rank)
        torch.testing.assert_close(b @ a, (u[:, :rank] * s[:rank]) @ v[:rank], atol=1e-4, rtol=1e-4)


def test_the_area_is_over_the_logarithm_of_the_rank() -> None:
    assert area({"1": 3.0, "2": 2.0, "8": 1.0}, (1, 2, 8)) == pytest.approx((2.5 + 2 * 1.5) / 3)
    assert area({"4": 2.0}, (4,)) == 2.0


def test_the_table_compares_with_separate_trainings() -> None:
    curves = {
        "alone": {"losses": {"1": 2.0, "4": 1.0}, "seconds": 100.0},
        "all": {"losses": {"1": 2.2, "4": 0.99}, "seconds": 25.0, "chosen": 4},
    }
    row = [cell.strip() for cell in table(curves, (1, 4))[3].strip("|").split("|")]
    assert row == ["all", "2.2000", "0.9900", "1.5950", "4", "25", "0.25", "+10.0 %"]
