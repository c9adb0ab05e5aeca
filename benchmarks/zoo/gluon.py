"""`python -m benchmarks.zoo.gluon FOLDER NET SIZE`: a network of Gluon's model zoo with random
weights, as its users export it, and its answers; for the environment with MXNet.
"""

import sys
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon.model_zoo import vision

from benchmarks.zoo import sample


def main(folder: Path, name: str, size: int) -> None:
    mx.random.seed(0)
    net: Any = vision.get_model(name, pretrained=False)
    net.initialize(mx.init.MSRAPrelu())
    net.hybridize()
    x = np.random.default_rng(0).standard_normal((1, 3, size, size)).astype(np.float32)
    y = net(mx.nd.array(x)).asnumpy()
    folder.mkdir(exist_ok=True)
    net.export(str(folder / "model"))
    sample.keep(folder, {"data": x}, [y])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
