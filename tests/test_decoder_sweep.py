"""Tests of what lesson 8 reads: ten decoders of each kind, which come out again."""

import csv

import decoder_sweep
import numpy as np
import pytest


def stored_sweep():
    with decoder_sweep.FILE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_stored_sweep_is_whole_and_says_what_lesson_8_says():
    rows = stored_sweep()
    assert [(int(r["layers"]), int(r["heads"]), int(r["seed"])) for r in rows] == [
        (*model, seed) for model in decoder_sweep.MODELS for seed in decoder_sweep.SEEDS
    ]
    two, one = rows[:10], rows[10:]
    assert sum(float(row["right"]) >= 0.98 for row in two) >= 9
    assert max(float(row["right"]) for row in one) <= 0.4
    assert max(float(row[by]) for row in two for by in ("zero", "mean")) < 0.3
    mass = [float(row["last layer: what followed before"]) for row in two]
    assert np.median(mass) >= 0.8
    clean = [float(row["first layer: the word before"]) > 0.8 for row in two]
    assert sum(clean) >= 8


@pytest.mark.parametrize("number", [0, 10])
def test_a_row_of_the_sweep_comes_out_again_live(number):
    """Nearly the same numbers: another BLAS changes the last digits, and these grow."""
    stored = stored_sweep()[number]
    model = (int(stored["layers"]), int(stored["heads"]), int(stored["seed"]))
    again = dict(zip(decoder_sweep.COLUMNS, decoder_sweep.row(*model)))
    for column in ("right", "zero", "mean", "48 words"):
        assert abs(again[column] - float(stored[column])) < 0.1, column
