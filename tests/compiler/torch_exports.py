"""`python -m tests.compiler.torch_exports FOLDER [WEIGHTS]`: models of torch's users as ONNX files,
for an environment with torch.

Beside NAME.onnx stands NAME.npz: an array `<input> <run>` for each input and run, and torch's own
answer as `y <run>`. WEIGHTS: of resemblyzer's speaker encoder, which is exported alone then.
"""

import importlib.util
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

X = torch.linspace(-1, 1, 8).reshape(2, 4)


class Branch(nn.Module):
    """Scripted: an If whose condition depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x.sum() > 0.1):
            return torch.relu(self.layer(x))
        return torch.sigmoid(self.layer(x) - 1)


class Cond(Branch):
    """The same for dynamo."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ways = (lambda x: torch.relu(self.layer(x)), lambda x: torch.sigmoid(self.layer(x) - 1))
        made: torch.Tensor = torch.cond(x.sum() > 0.1, *ways, (x,))
        return made


class Until(nn.Module):
    """A loop that ends by a condition or a count, with a branch in it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = 0
        while bool(x.sum() < 50.0) and n < 20:
            if bool(x[0, 0] > 0):
                x = x * 1.5 + 0.1
            else:
                x = x + 1.0
            n += 1
        return x


class Times(nn.Module):
    """As many iterations as an input says."""

    def forward(self, x: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        for i in range(int(n)):
            x = x * 0.5 + float(i)
        return x


class Speaker(nn.Module):
    """resemblyzer's VoiceEncoder: three layers of LSTM, the last state as a unit vector."""

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        found = torch.load(weights, map_location="cpu", weights_only=True)["model_state"]
        self.load_state_dict({name: found[name] for name in self.state_dict()})

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        _, (hidden, _) = self.lstm(mels)
        raw = torch.relu(self.linear(hidden[-1]))
        return raw / torch.linalg.vector_norm(raw, dim=1, keepdim=True)


def main(folder: Path, weights: list[str]) -> None:
    warnings.simplefilter("ignore")  # the exporter that scripted models need is the old one
    torch.manual_seed(0)
    if weights:
        mels = torch.rand(1, 160, 40)
        export(folder / "speaker", Speaker(weights[0]).eval(), {"mels": [mels, mels * 0.1]})
        return
    ways = {"x": [X, X + 1, X - 1]}
    export(folder / "if", torch.jit.script(Branch()), ways)
    export(folder / "until", torch.jit.script(Until()), {"x": [X, X * 1e3, X - 5]})
    counts = [torch.tensor(n) for n in (3, 0, 9)]
    export(folder / "times", torch.jit.script(Times()), {"x": [X] * 3, "n": counts})
    if importlib.util.find_spec("onnxscript"):
        export(folder / "cond", Cond().eval(), ways, dynamo=True)


def export(
    place: Path, model: Any, runs: dict[str, list[torch.Tensor]], dynamo: bool = False
) -> None:
    feeds = [dict(zip(runs, values, strict=True)) for values in zip(*runs.values(), strict=True)]
    torch.onnx.export(
        model, tuple(feeds[0].values()), str(place.with_suffix(".onnx")),
        input_names=list(runs), output_names=["y"], dynamo=dynamo, external_data=False,
    )  # fmt: skip
    arrays = {f"{name} {n}": a.numpy() for n, feed in enumerate(feeds) for name, a in feed.items()}
    with torch.no_grad():
        arrays |= {f"y {n}": model(*feed.values()).numpy() for n, feed in enumerate(feeds)}
    np.savez(place.with_suffix(".npz"), **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
