"""The device tables as a whole: complete, disjoint, and understood by TVM."""

import json

import pytest
import tvm
from botocore.session import get_session

import targets


def test_every_target_device_of_the_api_is_known() -> None:
    model = get_session().get_service_model("sagemaker")
    enum = set(model.shape_for("TargetDevice").enum)
    assert (set(targets.PROFILES) | set(targets.REFUSED)) - {"host"} == enum


def test_no_device_is_both_served_and_refused() -> None:
    assert not set(targets.PROFILES) & set(targets.REFUSED)
    assert not set(targets.PLATFORMS) & (set(targets.PROFILES) | set(targets.REFUSED))


ROWS = [*targets.PROFILES.values(), *targets.PLATFORMS.values(), *targets.UNVERIFIED.values()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_tvm_takes_the_row_and_it_is_whole(row: targets.Profile) -> None:
    assert tvm.target.Target(json.loads(json.dumps(dict(row.llvm)))).kind.name == "llvm"
    assert row.cores > 0 and 0 < row.l1_bytes < row.l2_bytes
    assert row.zig.startswith(str(row.llvm["mtriple"]))
    assert hash(row) == hash(row)


@pytest.mark.parametrize("name", sorted(set(targets.REFUSED) - {"host"}))
def test_a_refused_device_says_why_and_what_to_do(name: str) -> None:
    with pytest.raises(
        targets.TargetError, match=f"model for {name}: {name} .*neoc.*ml_[cm]"
    ) as info:
        targets.get(name)
    assert str(info.value).endswith(".") and "\n" not in str(info.value)


def test_an_unknown_device_lists_the_nearest_names() -> None:
    with pytest.raises(targets.TargetError, match=r'"ML-C5".*ml_c5'):
        targets.get("ML-C5")
    with pytest.raises(targets.TargetError, match="ml_c4"):
        targets.get("toaster")


def test_a_platform_goes_by_both_spellings() -> None:
    assert targets.get("LINUX/X86_64") is targets.get("LINUX_X86_64")
