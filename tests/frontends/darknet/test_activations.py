"""Every activation, over what makes it bend."""

import numpy as np
import pytest

from frontends.darknet.activations import ACTIVATIONS
from tests.frontends.darknet import reference
from tests.frontends.darknet.judge import answers, net


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    x = np.linspace(-30, 30, 2401, dtype=np.float32)[None]
    text = net(f"activation activation={name}", shape=(x.size,))
    (got,) = answers(text, reference.head(), x).values()
    wanted = reference.activate(name, x.astype(np.float64))
    np.testing.assert_allclose(got, wanted, rtol=2e-6, atol=2e-6)


def test_all_are_tested() -> None:
    assert set(ACTIVATIONS) == set(reference.ACTIVATIONS)
