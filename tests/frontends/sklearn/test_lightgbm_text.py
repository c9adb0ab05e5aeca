"""LightGBM's text, honest and hostile: what is no tree is refused before anything walks it."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontends.nodes import AS_ZERO, LEAF, LEQ, WITHIN
from frontends.sklearn import lightgbm_text
from frontends.sklearn.reading import Refused

HEAD = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:1
feature_names=a b
feature_infos=[0:1] [0:1]
tree_sizes=300

"""
# a <= 0.1, then a set of b's: 0, 2 and 33.
TREE = """Tree=0
num_leaves=3
num_cat=1
split_feature=0 1
threshold=0.1 0
decision_type=2 1
left_child=1 -1
right_child=-2 -3
leaf_value=1 2 3
cat_boundaries=0 2
cat_threshold=5 2
is_linear=0
shrinkage=1


end of trees

feature_importances:
a=1
"""
TEXT = HEAD + TREE


def test_a_tree_is_read() -> None:
    made = lightgbm_text.read(TEXT)
    [(nodes, leaves)] = made.trees
    assert (made.features, made.targets, made.averaged) == (2, 1, False)
    assert made.objective == ["binary", "sigmoid:1"]
    assert nodes.tests.tolist() == [LEQ, WITHIN, LEAF, LEAF, LEAF]
    assert nodes.features.tolist() == [0, 1, 0, 0, 0]
    assert nodes.values[0] == np.nextafter(np.float32(0.1), np.float32(0))  # which is above 0.1
    assert (nodes.yes.tolist(), nodes.no.tolist()) == ([1, 2, 0, 1, 2], [3, 4, 0, 0, 0])
    assert nodes.missing.tolist() == [AS_ZERO, 0, 0, 0, 0]
    minus = np.nextafter(np.float32(-1), np.float32(0))  # has the whole part 0
    assert list(nodes.members[1]) == [minus, 1, 2, 3, 33, 34]
    assert leaves.tolist() == [[1], [2], [3]]


def test_one_leaf_is_a_tree() -> None:
    text = HEAD + "Tree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=3\n\n"
    [(nodes, leaves)] = lightgbm_text.read(text).trees
    assert nodes.tests.tolist() == [LEAF] and leaves.tolist() == [[3]]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("left_child=1 -1", "left_child=0 -1", "do not make a tree"),  # a circle
        ("left_child=1 -1\nright_child=-2 -3", "left_child=-1 0\nright_child=-2 -3", "do not make"),
        ("left_child=1 -1", "left_child=-3 -1", "do not make a tree"),  # a leaf of two nodes
        ("left_child=1 -1", "left_child=99999999999999999999 -1", "cannot be read"),
        ("left_child=1 -1", "left_child=7 -1", "do not make a tree"),
        ("left_child=1 -1", "left_child=1", r"1 of 2 left_child"),
        ("num_leaves=3", "num_leaves=2147483647", "3 of 2147483647 leaf_value"),
        ("num_leaves=3", "num_leaves=-1", "leaf_value"),
        ("num_leaves=3\nnum_cat=1", "num_leaves=0\nleaf_value=", "leaf_value"),
        ("split_feature=0 1", "split_feature=0 2", "not among its 2"),
        ("split_feature=0 1", "split_feature=-1 1", "not among its 2"),
        ("max_feature_idx=1", "max_feature_idx=2147483647", "name each of its features"),
        ("iteration=1", "iteration=2147483647", "1 trees for 2147483647 outputs"),
        ("iteration=1", "iteration=0", "1 trees for 0 outputs"),
        ("cat_boundaries=0 2", "cat_boundaries=0 2147483647", "2 of 2147483647 cat_threshold"),
        ("cat_boundaries=0 2", "cat_boundaries=-1 2", "set of categories that is not there"),
        ("threshold=0.1 0", "threshold=0.1 1", "set of categories that is not there"),
        ("threshold=0.1 0", "threshold=0.1 nan", "cannot be read"),
        ("threshold=0.1 0", "threshold=0.1 x", "cannot be read"),
        ("leaf_value=1 2 3\n", "", "cannot be read"),
        ("is_linear=0", "is_linear=1", "linear_tree"),
        (TREE, "", "0 trees"),
    ],
)
def test_what_is_no_tree_is_refused(old: str, new: str, why: str) -> None:
    assert old in TEXT
    with pytest.raises(Refused, match=why):
        lightgbm_text.read(TEXT.replace(old, new))


def test_many_outputs_and_leaves_are_bounded() -> None:
    trees = TREE.partition("\n\n")[0] + "\n\n"
    text = HEAD.replace("iteration=1", "iteration=6000") + trees * 6000
    began = time.monotonic()
    with pytest.raises(Refused, match="more leaves than compile for 6000 outputs"):
        lightgbm_text.read(text)
    assert time.monotonic() - began < 10


def test_lightgbm_is_not_told_where_trees_lie() -> None:
    made = lightgbm_text.without_places(TEXT)
    assert "tree_sizes" not in made and len(made) == len(TEXT) - len("tree_sizes=300\n")


@given(st.text(alphabet="Tree=\n01-. ", max_size=60), st.integers(0, len(TEXT)))
def test_noise_is_read_or_refused(noise: str, at: int) -> None:
    try:
        lightgbm_text.read(TEXT[:at] + noise + TEXT[at:])
    except Refused:
        pass
