"""targets/options.py: what CompilerOptions change of a profile."""

import pytest

import targets


def test_mcpu_chooses_the_cpu_and_with_it_the_templates() -> None:
    profile = targets.tailored(targets.get("ml_c5"), {"mcpu": "core-avx2"})
    assert profile.llvm["mcpu"] == "core-avx2"
    assert profile.isa.name == "avx2"


def test_no_option_leaves_the_profile_as_it_is() -> None:
    profile = targets.get("ml_c5")
    assert targets.tailored(profile, {}) is profile


@pytest.mark.parametrize("options", [{"mcpu": "cortex-a72"}, {"mcpu": 7}, {"mattr": ["+neon"]}])
def test_what_cannot_be_followed_is_refused_with_what_can(options: dict[str, object]) -> None:
    with pytest.raises(targets.TargetError, match="haswell"):
        targets.tailored(targets.get("ml_c5"), options)


def test_options_of_other_devices_are_named() -> None:
    assert targets.ignored({"mcpu": "haswell", "gpu-code": "sm_70"}) == [
        "CompilerOptions gpu-code has no effect on a CPU target and was ignored."
    ]
    assert not targets.ignored({"dtype": "int64"}, ("dtype",))
