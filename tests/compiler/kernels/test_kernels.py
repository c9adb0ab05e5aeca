"""compiler/kernels/__init__.py: which template schedules what, and what is refused."""

import pytest
from tvm import relax

from compiler.errors import ClientError
from compiler.kernels import FAMILIES
from tests.compiler.kernels.harness import NARROW, lowered, values

R = relax.op


def test_every_template_has_a_name_of_its_own() -> None:
    names = [template.name for family in FAMILIES for template in family]
    assert len(set(names)) == len(names)


def test_all_operators_without_a_kernel_are_named_at_once() -> None:
    x = values((2, 3, 4))
    with pytest.raises(ClientError) as caught:
        lowered(lambda a: (R.std(a, [1]), R.nn.relu(a), R.sort(a)), [x], NARROW)
    text = str(caught.value)
    assert "relax.std of float32 [2, 4]" in text
    assert "relax.sort of float32 [2, 3, 4]" in text
    assert "relu" not in text


def test_a_type_that_no_kernel_computes_is_named() -> None:
    with pytest.raises(ClientError, match=r"relax\.astype of bfloat16"):
        lowered(lambda a: R.astype(R.astype(a, "bfloat16"), "float32"), [values((5,))], NARROW)
