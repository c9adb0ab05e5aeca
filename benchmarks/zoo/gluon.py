"""`python -m benchmarks.zoo.gluon FOLDER NET SIZE`: a network of Gluon's model zoo with random
weights, as its users export it, and answers.npz beside it; for the environment with MXNet.
"""

import sys
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from mxnet.gluon.model_zoo import vision


def main(folder: Path, name: str, size: int) -> None:
    mx.random.seed(0)
    net: Any = vision.get_model(name, pretrained=False)
    net.initialize(mx.init.MSRAPrelu())
    net.hybridize()
    x = np.random.default_rng(0).standard_normal((1, 3, size, size)).astype(np.float32)
    y = net(mx.nd.array(x)).asnumpy()
    folder.mkdir()
    net.export(str(folder / "model"))
    np.savez(folder.parent / f"{folder.name}.npz", x=x, y=y)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
