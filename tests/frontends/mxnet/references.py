"""Runs every case of `cases.py` in MXNet itself: `make references`, in an environment of its own.

python -m tests.frontends.mxnet.references FILE.npz
"""

import os
import sys
from typing import Any

os.environ["MXNET_SUBGRAPH_BACKEND"] = "NONE"  # says so for every case

import mxnet as mx
import numpy as np

from tests.frontends.mxnet.cases import CASES, Case


def answers(case: Case) -> "list[np.ndarray]":
    symbol = mx.sym.load_json(case.text())
    arrays = {k: mx.nd.array(v, dtype=v.dtype) for k, v in case.arguments.items()}
    states = {k: arrays.pop(k) for k in symbol.list_auxiliary_states()}
    executor = symbol.bind(mx.cpu(), args=arrays, aux_states=states, grad_req="null")
    return [y.asnumpy() for y in executor.forward(is_train=False)]


def main(path: str) -> int:
    made: dict[str, Any] = {}
    failed = 0
    for name, case in CASES.items():
        try:
            made.update({f"{name}/{n}": y for n, y in enumerate(answers(case))})
        except mx.MXNetError as problem:
            failed += 1
            print(name, str(problem).strip().splitlines()[-1])
    np.savez_compressed(path, **made)
    print(f"{len(CASES) - failed} cases, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
