"""SavedModels and frozen graphs of TensorFlow: a script of confined.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from frontends.tensorflow import conversion
from frontends.tensorflow.conversion import Program, Run, answer
from frontends.tensorflow.declared import Chosen, Input, Refused, Shape

__all__ = ["Refused", "answer", "export", "load"]

FREEZE = (
    "Save a SavedModel, or freeze the graph: "
    "tf.compat.v1.graph_util.convert_variables_to_constants."
)
NO_SIGNATURE = (
    "Save it with one: tf.saved_model.save(model, path, signatures=model.call.get_concrete_function"
    "(tf.TensorSpec(shape, tf.float32)))."
)
REFERENCES = ("Variable", "VariableV2")
STATE = (*REFERENCES, "VarHandleOp", "TemporaryVariable", "AutoReloadVariable")
NO_RESULT = ("Const", "Assign", "NoOp", "Placeholder", "PlaceholderWithDefault", "Assert")


def load(model: Path, job: Mapping[str, Any]) -> Program:
    conversion.tensorflow()
    return _saved_model(model, job) if model.is_dir() else _frozen(model, job)


def export(program: Program, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    return conversion.export(program, folder)


# --- SavedModels


def _saved_model(path: Path, job: Mapping[str, Any]) -> Program:
    """One signature of it, as Neo chooses: `serving_default`, else the first; or the option's."""
    import tensorflow as tf

    graph = _served(path)
    signatures = {
        key: s
        for key, s in graph.signature_def.items()
        if not key.startswith("__saved_model") and s.outputs
    }
    key = chosen_signature(signatures, job["signature"])
    signature = signatures[key]
    tags = list(graph.meta_info_def.tags)
    keys = sorted(signature.inputs)
    inputs = [_input(name, signature.inputs[name]) for name in keys]
    made = sorted(signature.outputs)
    # Neo's names: of TensorFlow 2 the signature's, of TensorFlow 1 the tensors'.
    second = len(graph.object_graph_def.nodes) > 0
    tensors = [signature.outputs[name].name for name in made]
    if any(node.op in REFERENCES for node in graph.graph_def.node):
        run = _imported(_constant(path, tags, tensors), tensors)
    else:
        loaded = tf.saved_model.load(str(path), tags=tags)

        def run(given: Sequence[Chosen], values: Sequence[Any]) -> Sequence[Any]:
            # Its variables live no longer than what was loaded.
            results = loaded.signatures[key](**dict(zip(keys, values, strict=True)))
            return [results[name] for name in made]

    program = Program(inputs, made if second else tensors, run, job)
    if len(signatures) > 1 and not job["signature"]:
        program.warnings.append(
            f"The signature '{key}' was compiled, of {sorted(signatures)}; CompilerOptions "
            "signature_def_key names another."
        )
    return program


def _constant(path: Path, tags: Sequence[str], outputs: Sequence[str]) -> Any:
    """The graph with its variables' values: TensorFlow 2 does not freeze those that are tensors
    by reference, as TensorFlow 1 made them.
    """
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session() as session:
        v1.saved_model.load(session, tags, str(path))
        names = [name.partition(":")[0] for name in outputs]
        frozen = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), names)
    return _settled(frozen)


def _served(path: Path) -> Any:
    """The graph that is tagged for serving, or the only one."""
    from google.protobuf import text_format  # type: ignore[import-untyped]  # ships none
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel()
    binary = path / "saved_model.pb"
    if binary.exists():
        proto.ParseFromString(binary.read_bytes())
    else:
        text_format.Parse((path / "saved_model.pbtxt").read_text(), proto)
    graphs = list(proto.meta_graphs)
    if len(graphs) > 1:
        graphs = [g for g in graphs if set(g.meta_info_def.tags) == {"serve"}]
    if len(graphs) != 1:
        tags = [sorted(g.meta_info_def.tags) for g in proto.meta_graphs]
        raise Refused(f"No graph of the SavedModel has the one tag 'serve'; its graphs have {tags}")
    return graphs[0]


def chosen_signature(signatures: Iterable[str], option: str | None) -> str:
    known = list(signatures)
    if not known:
        raise Refused(f"The SavedModel has no signature. {NO_SIGNATURE}")
    if option is None:
        return "serving_default" if "serving_default" in known else min(known)
    if option not in known:
        raise Refused(
            f"CompilerOptions signature_def_key names '{option}', which the model does not have; "
            f"its signatures are {sorted(known)}"
        )
    return option


def _input(key: str, info: Any) -> Input:
    import tensorflow as tf

    name = info.name
    shape = None
    if not info.tensor_shape.unknown_rank:
        shape = tuple(d.size for d in info.tensor_shape.dim)
    return Input(
        (name.removesuffix(":0"), name, key), shape, conversion.dtype(name, tf.DType(info.dtype))
    )


# --- frozen graphs


def _frozen(path: Path, job: Mapping[str, Any]) -> Program:
    """What nobody reads are its outputs, if the option names none; its placeholders are inputs, and
    whatever else DataInputConfig names.
    """
    import tensorflow as tf

    proto = _graph_def(path)
    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(proto, name="")
    _refuse_state(graph)
    outputs = _outputs(graph, job["outputs"])
    inputs = [_placeholder(t) for t in _sources(graph, outputs, job["names"] or ())]
    names = [t.name for t in outputs]
    return Program(inputs, names, _imported(proto, names), job)


def _imported(proto: Any, outputs: Sequence[str]) -> Run:
    import tensorflow as tf

    def run(given: Sequence[Chosen], tensors: Sequence[Any]) -> Sequence[Any]:
        places = [c.input.names[1] for c in given]

        def whole(*own: Any) -> Any:
            mapped = dict(zip(places, own, strict=True))
            return tf.graph_util.import_graph_def(proto, mapped, list(outputs))

        if tf.executing_eagerly():
            # Not a tf.function: that orders what has effects, across the frames of loops.
            specs = [tf.TensorSpec(t.shape, t.dtype) for t in tensors]
            return list(tf.compat.v1.wrap_function(whole, specs)(*tensors))
        return list(whole(*tensors))

    return run


def _graph_def(path: Path) -> Any:
    import tensorflow as tf
    from google.protobuf import message, text_format

    proto = tf.compat.v1.GraphDef()
    try:
        if path.suffix.lower() == ".pbtxt":
            text_format.Parse(path.read_text(), proto)
        else:
            proto.ParseFromString(path.read_bytes())
    except (message.DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise Refused(f"{path.name} holds no graph of TensorFlow: {error}") from None
    if not proto.node:
        raise Refused(f"{path.name} holds no graph of TensorFlow. {FREEZE}")
    return _settled(proto)


def _settled(proto: Any) -> Any:
    """On no device of its own; an input with a default has that."""
    for node in proto.node:
        node.device = ""
        if node.op == "PlaceholderWithDefault":
            kind = node.attr["dtype"].type
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = kind
    return proto


def _refuse_state(graph: Any) -> None:
    if state := [op.name for op in graph.get_operations() if op.type in STATE]:
        raise Refused(
            f"The graph is not frozen: {len(state)} variables have no value in it, '{state[0]}' "
            f"among them. {FREEZE}"
        )


def _outputs(graph: Any, option: Sequence[str] | None) -> list[Any]:
    if option:
        return [_tensor(graph, name, "CompilerOptions output_names") for name in option]
    guarded = {c for op in graph.get_operations() for c in op.control_inputs}
    found = [
        tensor
        for op in graph.get_operations()
        if op.type not in NO_RESULT and op not in guarded
        for tensor in op.outputs
        if not any(t.consumers() for t in op.outputs)
    ]
    if not found:
        raise Refused("The graph has no outputs: every tensor in it is read. Name some in "
                      "CompilerOptions output_names.")  # fmt: skip
    # The counter of a loop that nobody reads is no output, where there is another.
    return [t for t in found if t.op.type != "Exit"] or found


def _tensor(graph: Any, name: str, where: str) -> Any:
    try:
        return graph.get_tensor_by_name(name if ":" in name else f"{name}:0")
    except (KeyError, ValueError):
        raise Refused(f"{where} names '{name}', which is no tensor of the graph") from None


def _sources(graph: Any, outputs: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """The tensors that DataInputConfig names, and the placeholders that the outputs need beside
    them, in the order of the file. Raises Refused for names of no tensor.
    """
    placeholders = [op.name for op in graph.get_operations() if op.type == "Placeholder"]
    named = [_tensor(graph, n, f"DataInputConfig (placeholders: {placeholders})") for n in names]
    found = {t.name: t for t in named}
    seen, waiting = set(found), list(outputs)
    while waiting:
        tensor = waiting.pop()
        if tensor.name not in seen:
            seen.add(tensor.name)
            waiting += tensor.op.inputs
            if tensor.op.type == "Placeholder":
                found[tensor.name] = tensor
    order = {op.name: n for n, op in enumerate(graph.get_operations())}
    return sorted(found.values(), key=lambda t: order[t.op.name])


def _placeholder(tensor: Any) -> Input:
    shape: Shape | None = None
    if tensor.shape.rank is not None:
        shape = tuple(-1 if d is None else d for d in tensor.shape.as_list())
    kind = conversion.dtype(tensor.name, tensor.dtype)
    return Input((tensor.name.removesuffix(":0"), tensor.name), shape, kind)
