"""XGBoost's old binary files."""

import pytest

from frontends.model import ModelError
from frontends.xgboost import legacy
from tests.frontends.xgboost.files import case

DATA = case("0.90_binary-logistic_gbtree.model").data


def test_head_and_trees() -> None:
    found = legacy.parse(DATA)
    learner = found["learner"]
    assert found["version"][0] == 0
    assert learner["objective"]["name"] == "binary:logistic"
    assert learner["learner_model_param"]["num_feature"] == 6
    assert len(learner["gradient_booster"]["model"]["trees"]) == 6
    assert legacy.parse(b"binf" + DATA) is not None


@pytest.mark.parametrize("length", [0, 10, 140, 170, 400, len(DATA) // 2])
def test_a_file_that_ends_too_early(length: int) -> None:
    with pytest.raises(ModelError):
        legacy.parse(DATA[:length])
