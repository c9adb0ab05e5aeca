"""`python -m tests.frontends.pytorch.torch_files FOLDER`: files of PyTorch's users, for an
environment with torch.

Beside NAME.pth or .pt2 stands NAME.npz: arrays `<run> <place>` for the inputs and `<run> y <place>`
for the outputs.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

SHAPES = (2, 4), (2, 4)


class Traced(nn.Module):
    """Two inputs, three outputs, one of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(1, 3, 3, padding=1), nn.BatchNorm1d(3)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        made = torch.relu(self.norm(self.conv(x[:, None])))
        return made, [y - x, y], made


class Branch(nn.Module):
    """Scripted: branches and a loop by the data, a dictionary as the result."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, y: torch.Tensor, times: int = 3) -> dict[str, torch.Tensor]:
        if bool(x.sum() > y.sum()):
            x = torch.relu(self.layer(x))
        else:
            x = torch.sigmoid(self.layer(x) - 1)
        n = 0
        while bool(y.sum() < 30.0) and n < 20:
            y = y * 1.5 + 0.5
            n += 1
        for _ in range(times):
            x = x * 0.5
        return {"z": x, "a": y}


class Table(nn.Module):
    """Positions in a table of ten rows, and an input that is not read."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 6)

    def forward(
        self, tokens: torch.Tensor, kinds: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        made: torch.Tensor = self.table(tokens % 10) * mask[..., None]
        return made


class Operators(nn.Module):
    """Some that torch's exporter does not know. Of differences, what is put at either end may be of
    another type.
    """

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        whole = (x * 9).to(torch.int64)
        return (
            x.diff(),
            x.diff(n=3, dim=0, prepend=y, append=y[:1]),
            x.diff(n=0, append=y),
            whole.diff(dim=-2),
            whole.diff(prepend=y, append=x > 0),
            (x > 0).diff(n=2, append=y > 0),
            torch.diff(x > 0, prepend=whole[:, :1].to(torch.uint8)),
            (x.abs() + 1).acosh() + x.asinh() + x.tanh().atanh() + x.sinh() - x.cosh(),
            x.erfc() + x.exp2() + (x * 5).trunc() + x.frac() + x.deg2rad() + x.rad2deg(),
            (x * 1e-7).expm1(),
            (x.abs() * 1e-7).log1p(),
            (x.abs() * 3).erfc().log(),
            (-x.abs() * 1e4).expm1() + x.expm1(),
            whole.trunc() + whole.to(torch.int32).erfc() + (x > 0).exp2(),
        )


class Hostile(nn.Module):
    """Scripted: as soon as it is loaded it reads a file of this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.found, self.training = torch.zeros(8), False

    @torch.jit.export
    def __getstate__(self) -> tuple[torch.Tensor, bool]:
        return self.found, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]) -> None:
        self.found = torch.from_file("/etc/passwd", False, 8, dtype=torch.uint8)
        self.training = state[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.found


def main(folder: Path) -> None:
    torch.manual_seed(0)
    runs = [[torch.randn(s) for s in SHAPES] for _ in range(3)]
    traced = Traced().eval()
    keep(folder / "traced.pth", torch.jit.trace(traced, tuple(runs[0])), runs)
    keep(folder / "branch.pt", torch.jit.script(Branch().eval()), runs)
    tokens = [[torch.randint(0, n, (1, 5)) for n in (99, 9, 2)] for _ in range(2)]
    keep(folder / "table.pth", torch.jit.trace(Table().eval(), tuple(tokens[0])), tokens)
    keep(folder / "operators.pth", torch.jit.trace(Operators(), tuple(runs[0])), runs)
    torch.jit.script(Hostile().eval()).save(folder / "hostile.pt")
    torch.save(traced.state_dict(), folder / "weights.pth")
    torch.save(traced, folder / "module.pth")
    if importlib.util.find_spec("onnxscript"):
        program = torch.export.export(traced, tuple(runs[0]))
        keep(folder / "program.pt2", program, runs, program.module())


def keep(path: Path, made: Any, runs: list[list[torch.Tensor]], module: Any = None) -> None:
    if module is None:
        made.save(path)
    else:
        torch.export.save(made, path)
    arrays = {
        f"{run} {n}": a.numpy() for run, given in enumerate(runs) for n, a in enumerate(given)
    }
    for run, given in enumerate(runs):
        with torch.no_grad():
            outputs = (module or made)(*given)
        flat = torch.utils._pytree.tree_leaves(outputs)
        arrays |= {f"{run} y {n}": a.numpy() for n, a in enumerate(flat)}
    np.savez(path.with_suffix(".npz"), allow_pickle=False, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
