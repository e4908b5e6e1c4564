"""Maps: of which shapes and numbers they are, and which are refused."""

import numpy as np
import pytest

from mha_utils.maps import AttentionMaps
from mha_utils.sentences import attend


@pytest.mark.parametrize("front", [(), (2,), (4, 2)])
def test_maps_of_one_head_or_one_layer_get_the_missing_axes(front):
    weights = np.full((*front, 3, 3), 1 / 3, np.float32)
    maps = AttentionMaps(["a", "b", "c"], weights)
    assert maps.weights.shape == (*(1, 1, *front)[-2:], 3, 3)
    assert maps.weights.dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "pieces"),
    [
        ((3,), r"\(3,\).*3 tokens.*\(num_layers, num_heads, 3, 3\)"),
        ((4, 4), r"\(1, 1, 4, 4\).*3 tokens"),
        ((2, 3, 4), r"\(1, 2, 3, 4\).*3 tokens"),
        ((0, 3, 3), r"\(1, 0, 3, 3\)"),
        ((1, 1, 1, 3, 3), r"\(1, 1, 1, 3, 3\)"),
    ],
)
def test_maps_of_the_wrong_shape_are_refused(shape, pieces):
    with pytest.raises(ValueError, match=pieces):
        AttentionMaps(["a", "b", "c"], np.zeros(shape))


@pytest.mark.parametrize("weights", [[[np.nan]], [[np.inf]], [[1]], [["a"]], [[1j]]])
def test_maps_that_hold_no_finite_numbers_are_refused(weights):
    with pytest.raises(ValueError, match="weights holds NaN, infinity or no real"):
        AttentionMaps(["a"], np.array(weights))


def test_maps_need_a_name_for_each_head_or_none():
    with pytest.raises(ValueError, match="2 head_names for 3 heads"):
        AttentionMaps(["a"], np.ones((3, 1, 1)), head_names=("x", "y"))
    with pytest.raises(ValueError, match="0 tokens"):
        AttentionMaps([], np.ones((1, 0, 0)))


def test_maps_are_frozen_and_equal_to_themselves_only():
    maps = attend("The cat")
    with pytest.raises(AttributeError):
        maps.note = "changed"
    assert maps == maps and maps != attend("The cat")


def test_tokens_of_maps_become_strings():
    assert AttentionMaps([1, "a"], np.eye(2)).tokens == ["1", "a"]
