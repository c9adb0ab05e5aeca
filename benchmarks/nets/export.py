"""`python -m benchmarks.nets.export FILE NET`: a network with random weights as an ONNX file.

As torch's users export: a traced model in evaluation mode, which folds the batch norms that follow
a convolution. Traced rather than by dynamo because nodes are then named after the modules.
"""

import sys
import warnings
from pathlib import Path

import torch
from torch import nn

from benchmarks import suite
from benchmarks.nets import classic, mobile, residual, sequence

OPSET = 17
CALIBRATING = 8  # inputs that the batch norms take their statistics from
MODULES = (classic, mobile, residual, sequence)


def main(path: Path, net: str) -> None:
    model = build(net)
    inputs = {name: torch.from_numpy(array) for name, array in suite.feed(net).items()}
    scratch = path.with_suffix(".part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: shapes are static on purpose
        torch.onnx.export(
            model, tuple(inputs.values()), str(scratch), input_names=list(inputs),
            output_names=outputs(net), opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    scratch.replace(path)


def outputs(net: str) -> list[str]:
    return ["vectors", "pooled"] if net in ("bert_base", "minilm") else ["classes"]


def build(net: str) -> nn.Module:
    """The network in evaluation mode, its activations sane at any depth."""
    torch.manual_seed(0)
    [make] = [getattr(module, net) for module in MODULES if hasattr(module, net)]
    model = make()
    model.apply(_initialise)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the plain mean over all that was seen
    if norms:
        model.train()
        arrays = [suite.feed(net, seed) for seed in range(1, CALIBRATING + 1)]
        [name] = suite.NETS[net]
        with torch.no_grad():
            model(torch.cat([torch.from_numpy(array[name]) for array in arrays]))
    return model.eval()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.normal_(module.bias, std=0.1)
    elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.normal_(module.bias, std=0.2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
