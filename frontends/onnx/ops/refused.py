"""Operators that are known and do not compile, each with the reason and the way out."""

from frontends.model import ModelError
from frontends.onnx.builder import Builder, Function, Table, Value

RANDOM = (
    "its values are random, and an artifact answers the same input with the same output; "
    "draw them outside of the model and give them to it as an input"
)
TEXT = "it computes with text, and only numbers compile; do this outside of the model"
MAPS = "it computes with maps, and only tensors compile; do this outside of the model"

REASONS = {
    "": {
        **dict.fromkeys("Bernoulli Multinomial RandomNormal RandomNormalLike".split(), RANDOM),
        **dict.fromkeys("RandomUniform RandomUniformLike".split(), RANDOM),
        **dict.fromkeys("RegexFullMatch StringConcat StringNormalizer StringSplit".split(), TEXT),
        "ImageDecoder": "files of images do not compile; decode them outside of the model and "
        "give it the pixels",
    },
    "ai.onnx.ml": {
        **dict.fromkeys(("CastMap", "DictVectorizer"), MAPS),
        "CategoryMapper": TEXT,
        "ZipMap": "its result is a list of maps, and artifacts give tensors. Export the model "
        "without it (skl2onnx: options={'zipmap': False})",
    },
    "ai.onnx.preview.training": {"Gradient": "it is for training; export the model for inference"},
}


def _refusing(reason: str) -> Function:
    def refuse(b: Builder, *inputs: Value | None, **attributes: object) -> Value:
        raise ModelError(reason)

    return refuse


OPS: dict[str, Table] = {
    domain: {name: _refusing(reason) for name, reason in reasons.items()}
    for domain, reasons in REASONS.items()
}
