"""Fourier transforms against the reference evaluator."""

from collections.abc import Callable

import numpy as np
import pytest

from frontends.model import Model, ModelError

Agrees = Callable[..., Model]

CASES = [
    ("1,10,10,1", "y = DFT(x, n, a)", {"n": 10, "a": 1}, 20),
    ("2,7,2", "y = DFT<inverse=1>(x, n)", {"n": 7}, 20),
    ("2,8,1", "y = DFT<onesided=1>(x, n)", {"n": 6}, 20),
    ("2,5,2", "y = DFT<inverse=1, onesided=1>(x, n)", {"n": 8}, 20),
    ("2,5,2", "y = DFT<inverse=1, onesided=1>(x, n)", {"n": 9}, 20),
    ("3,20,2", "y = DFT(x)", {}, 20),
    ("48,2", "y = DFT<axis=0, inverse=1>(x)", {}, 17),
    ("3,5,1", "y = DFT<axis=0>(x)", {}, 17),
    ("1,32,1", "y = STFT(x, s, w)", {"s": 8, "w": (16,)}, 17),
    ("2,20,2", "y = STFT<onesided=0>(x, s, w)", {"s": 5, "w": (10,)}, 17),
]


@pytest.mark.parametrize(("dims", "node", "constants", "opset"), CASES)
def test_signal(
    agrees: Agrees, dims: str, node: str, constants: dict[str, object], opset: int
) -> None:
    ints = {k: np.int64(v) if isinstance(v, int) else v for k, v in constants.items()}
    agrees(f"g (float[{dims}] x) => (float[] y) {{ {node} }}", opset, **ints)


def test_the_last_axis_holds_the_parts_of_a_number(load: Agrees) -> None:
    with pytest.raises(ModelError, match=r"axis 2 of \[2, 4, 1\] cannot be transformed"):
        load("g (float[2,4,1] x) => (float[] y) { y = DFT<axis=2>(x) }")
