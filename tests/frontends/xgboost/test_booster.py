"""What a document says in numbers, and documents that say nonsense."""

import copy
from typing import Any

import pytest

from frontends.model import ModelError
from frontends.xgboost import booster, document
from tests.frontends.xgboost.files import case

GOOD = document.read(case("1.7.6_rank-ndcg_gbtree.json").data)


def tree(learner: Any) -> Any:
    return learner["gradient_booster"]["model"]["trees"][0]


def test_numbers() -> None:
    made = booster.of(GOOD)
    assert (made.features, made.outputs, made.transform) == (6, 1, "none")
    assert made.nodes is not None and len(made.nodes.roots) == 6
    assert made.version.startswith("1.7")


def test_a_model_without_trees_is_its_base() -> None:
    bare = copy.deepcopy(GOOD)
    bare["learner"]["gradient_booster"]["model"] |= {"trees": [], "tree_info": []}
    made = booster.of(bare)
    assert made.nodes is None and made.weights is not None and not made.weights.any()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a: a["objective"].update(name="mine"), "The objective 'mine' is unknown"),
        (lambda a: a["gradient_booster"].update(name="mine"), "The booster 'mine' is unknown"),
        (lambda a: tree(a)["left_children"].__setitem__(0, 10**6), "is not there"),
        (lambda a: tree(a)["split_indices"].__setitem__(0, 99), "beyond the 6"),
        (lambda a: a["gradient_booster"]["model"]["tree_info"].__setitem__(0, 3), "outputs"),
        (lambda a: a.pop("learner_model_param"), "incomplete"),
        (lambda a: a["learner_model_param"].update(base_score="x"), "incomplete"),
        (lambda a: a["learner_model_param"].update(base_score="NaN"), "has no margin"),
    ],
)
def test_nonsense_is_refused(change: Any, text: str) -> None:
    wrong = copy.deepcopy(GOOD)
    change(wrong["learner"])
    with pytest.raises(ModelError, match=text):
        booster.of(wrong)
