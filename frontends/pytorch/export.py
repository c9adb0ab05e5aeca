"""TorchScript and ExportedProgram as ONNX, and torch's own answers: a script of confined.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from frontends.pytorch import symbolics

OPSET = 20  # the newest that torch's exporter of TorchScript knows
WHOLE = {
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool",
}  # fmt: skip
# Of an input of the file: its shape, None where it tells none, -1 for a size that it leaves open;
# and its type, None where it tells none.
Told = tuple[list[int] | None, str | None]


class Refused(Exception):
    """What was given does not fit the model."""


# --- the two kinds of programs


class Script:
    """A TorchScript archive, as Neo takes it: on the CPU, in single precision, for inference."""

    def __init__(self, path: str) -> None:
        import torch

        loaded = torch.jit.load(path, map_location="cpu", _restore_shapes=True)
        self._module = loaded.float().eval()
        for parameter in loaded.parameters():
            parameter.requires_grad_(False)
        arguments = loaded.forward.schema.arguments[1:]
        self.least = sum(not a.has_default_value() for a in arguments)
        self.told: list[Told] = []
        for argument, value in zip(arguments, list(loaded.graph.inputs())[1:], strict=True):
            if str(argument.type) not in ("Tensor", "Optional[Tensor]"):
                if argument.has_default_value():
                    break  # it keeps that, and so do all behind it
                raise Refused(f"forward() takes {argument.name}, no tensor but {argument.type}")
            self.told.append(self._told(value.type()))

    @staticmethod
    def _told(kind: Any) -> Told:
        if kind.kind() != "TensorType" or kind.scalarType() is None:
            return None, None
        return kind.sizes(), WHOLE.get(kind.scalarType(), "float32")

    def __call__(self, inputs: list[Any]) -> list[Any]:
        return leaves(self._module(*inputs))

    def export(self, inputs: list[Any], place: Path, names: Mapping[str, list[str]]) -> None:
        import torch

        class Flat(torch.nn.Module):
            """Its tensors alone, each one of its own: two outputs may be one, or be an input."""

            def __init__(self, module: Any) -> None:
                super().__init__()
                self.module = module

            def forward(self, *given: Any) -> tuple[Any, ...]:
                return tuple(leaf.clone() for leaf in leaves(self.module(*given)))

        # What is scripted stays: a trace records the call of it.
        symbolics.register(OPSET)
        traced = torch.jit.trace(Flat(self._module).eval(), tuple(inputs), check_trace=False)
        torch.onnx.export(
            traced, tuple(inputs), str(place), dynamo=False, opset_version=OPSET, **names
        )


class Program:
    """A file of torch.export."""

    def __init__(self, path: str) -> None:
        import torch

        self._program = torch.export.load(path)
        self._module = self._program.module()
        wanted = self._program.graph_signature.user_inputs
        nodes = {n.name: n.meta["val"] for n in self._program.graph.nodes if n.op == "placeholder"}
        if constant := [n for n in wanted if not isinstance(nodes.get(n), torch.Tensor)]:
            raise Refused(f"forward() takes {constant[0]}, no tensor")
        self.told: list[Told] = [
            (
                [d if isinstance(d, int) else -1 for d in nodes[n].shape],
                str(nodes[n].dtype).removeprefix("torch."),
            )
            for n in wanted
        ]
        self.least = len(self.told)

    def __call__(self, inputs: list[Any]) -> list[Any]:
        from torch.utils import _pytree

        positional, named = _pytree.tree_unflatten(inputs, self._program.call_spec.in_spec)
        return leaves(self._module(*positional, **named))

    def export(self, inputs: list[Any], place: Path, names: Mapping[str, list[str]]) -> None:
        import torch

        torch.onnx.export(self._program, f=str(place), dynamo=True, verbose=False, **names)


KINDS: dict[str, Callable[[str], Script | Program]] = {"script": Script, "program": Program}


def load(model: Path, job: Mapping[str, Any]) -> Script | Program:
    return KINDS[job["kind"]](str(model))


def leaves(made: Any) -> list[Any]:
    """The tensors of nested tuples, lists and dictionaries."""
    from torch.utils import _pytree

    return [leaf for leaf in _pytree.tree_leaves(made) if hasattr(leaf, "dtype")]


# --- the two things to do


def export(program: Script | Program, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """FOLDER/model.onnx. job: `names` and `given`, a shape or a value each, or none; `dtype`."""
    import torch

    told = program.told
    given = job["given"]
    if given is None:
        given = [{"shape": shape} for shape, _ in told[: program.least]]
        if bad := [n for n, g in enumerate(given) if g["shape"] is None or -1 in g["shape"]]:
            return {"open": f"input {bad[0]} having no fixed shape in the file"}
    if not program.least <= len(given) <= len(told):
        raise Refused(f"DataInputConfig gives {len(given)} inputs; forward() takes {len(told)}")
    names = job["names"] or [f"input{n}" for n in range(len(given))]
    kinds = [job["dtype"] or kind or "float32" for _, kind in told]
    examples = [_example(g, kind) for g, kind in zip(given, kinds, strict=False)]
    inputs = [torch.from_numpy(a) for a in examples]
    count = len(program(inputs))
    outputs = [f"output_{n}" for n in range(count)]
    place = folder / "model.onnx"
    program.export(inputs, place, {"input_names": names, "output_names": outputs})
    _complete(place, names, examples)
    return {
        "names": names,
        "shapes": [list(a.shape) for a in examples],
        "version": torch.__version__.split("+")[0],
    }


def _complete(place: Path, names: list[str], examples: list[Any]) -> None:
    """An input that forward() does not read is left out by the exporter: clients give it still."""
    import onnx

    proto = onnx.load(place, load_external_data=False)
    there = {i.name: i for i in proto.graph.input}
    kinds = [onnx.helper.np_dtype_to_tensor_dtype(a.dtype) for a in examples]
    made = [
        there.get(name) or onnx.helper.make_tensor_value_info(name, kind, a.shape)
        for name, kind, a in zip(names, kinds, examples, strict=True)
    ]
    if len(there) < len(made):
        del proto.graph.input[:]
        proto.graph.input.extend(made)
        onnx.save(proto, place)


def _example(given: Mapping[str, Any], kind: str) -> Any:
    """Positions in a table begin with 0; random numbers are in no one's way."""
    import numpy as np

    if "value" in given:
        return np.asarray(given["value"], kind)
    if kind.startswith("float"):
        return np.random.default_rng(0).random(given["shape"]).astype(kind)
    return np.zeros(given["shape"], kind)


def answer(program: Script | Program, inputs: list[Any]) -> list[Any]:
    import torch

    with torch.inference_mode():
        return [
            output.detach().numpy() for output in program([torch.from_numpy(a) for a in inputs])
        ]
