"""`python -m benchmarks.zoo.torch_nets FILE NET`: a network of torchvision, timm or transformers
with random weights, traced for `.pth`, exported for `.pt2`, and its answers; for an environment
with those.
"""

import sys
import types
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.zoo import sample

# PyPI's torchvision is built for CUDA: beside a torch without, its own operators, of detectors
# alone, are not there, and what this module tells of them is refused.
REGISTRATIONS = "torchvision._meta_registrations"
sys.modules[REGISTRATIONS] = types.ModuleType(REGISTRATIONS)

import timm  # noqa: E402
import torchvision  # noqa: E402
import transformers  # noqa: E402

CALIBRATING = 8  # inputs that batch norms take their statistics from
TOKENS, LENGTH = 1000, 32
Tensors = tuple[torch.Tensor, ...]


class Plain(nn.Module):
    """A network of transformers: tensors by position in, the tensors of one name out."""

    def __init__(self, model: Any, names: list[str], output: str) -> None:
        super().__init__()
        self.model, self.names, self.output = model, names, output

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        made = self.model(**dict(zip(self.names, given, strict=True)))
        tensor: torch.Tensor = made[self.output]
        return tensor


def image(size: int) -> Callable[[int], Tensors]:
    return lambda count: (torch.randn(count, 3, size, size),)


def text(count: int) -> Tensors:
    return (torch.randint(0, TOKENS, (count, LENGTH)),)


def masked(count: int) -> Tensors:
    mask = torch.ones(count, LENGTH, dtype=torch.int64)
    mask[:, LENGTH * 3 // 4 :] = 0
    return (*text(count), mask)


def vision(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, **options)


def timms(name: str) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, pretrained=False)


def hugging(
    name: str, config: str, output: str, names: str, /, **options: Any
) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        settings = getattr(transformers, config)(**options)
        return Plain(getattr(transformers, name)(settings).eval(), names.split(), output)

    return make


SMALL: dict[str, Any] = {"vocab_size": TOKENS, "hidden_size": 256, "num_hidden_layers": 4}
HEADS: dict[str, Any] = {"num_attention_heads": 4, "intermediate_size": 512}
T5: dict[str, Any] = {"vocab_size": TOKENS, "d_model": 256, "d_kv": 64, "d_ff": 512, "num_heads": 4}
NETS: Mapping[str, tuple[Callable[[], nn.Module], Callable[[int], Tensors]]] = {
    "resnet18": (vision("resnet18"), image(96)),
    "mobilenet_v3_large": (vision("mobilenet_v3_large"), image(96)),
    "regnet_y_400mf": (vision("regnet_y_400mf"), image(96)),
    "googlenet": (vision("googlenet", aux_logits=False, init_weights=True), image(96)),
    "swin_t": (vision("swin_t"), image(112)),
    "ghostnet_100": (timms("ghostnet_100"), image(96)),
    "mobilevit_xxs": (timms("mobilevit_xxs"), image(128)),
    "convnextv2_atto": (timms("convnextv2_atto"), image(96)),
    "levit_128s": (timms("levit_128s"), image(224)),
    "mixer_s32_224": (timms("mixer_s32_224"), image(224)),
    "bert": (
        hugging("BertForSequenceClassification", "BertConfig", "logits",
                "input_ids attention_mask", **SMALL, **HEADS),
        masked,
    ),
    "gpt2": (
        hugging("GPT2LMHeadModel", "GPT2Config", "logits", "input_ids", vocab_size=TOKENS,
                n_embd=256, n_layer=4, n_head=4, use_cache=False),
        text,
    ),
    "llama": (
        hugging("LlamaForCausalLM", "LlamaConfig", "logits", "input_ids", **SMALL, **HEADS,
                num_key_value_heads=2, use_cache=False),
        text,
    ),
    "t5": (
        hugging("T5EncoderModel", "T5Config", "last_hidden_state", "input_ids attention_mask",
                **T5, num_layers=4),
        masked,
    ),
    "vit": (
        hugging("ViTForImageClassification", "ViTConfig", "logits", "pixel_values",
                hidden_size=256, num_hidden_layers=4, **HEADS),
        image(224),
    ),
}  # fmt: skip


def lively(model: nn.Module, calibrating: Tensors) -> nn.Module:
    """In evaluation mode, none of its parameters trivial, its batch norms as of other inputs."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            biased = name.rpartition(".")[2].endswith("bias")
            drawn = torch.empty_like(parameter)
            parameter.data = drawn.normal_(0, 0.2) if biased else drawn.uniform_(0.7, 1.4)
        elif not parameter.any():  # as some heads begin: whatever lies before them, they answer 0
            parameter.data.normal_(0, parameter[0].numel() ** -0.5)
    model.eval()
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.train().momentum = None  # the plain mean over all that was seen
    if norms:
        model(*calibrating)
    for norm in norms:
        norm.eval()
        for statistic in (norm.running_mean, norm.running_var):
            assert statistic is not None
            statistic.mul_(torch.empty_like(statistic).uniform_(0.7, 1.4))
    return model


def main(place: Path, name: str) -> None:
    torch.manual_seed(0)
    make, draw = NETS[name]
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: shapes are static on purpose
        model = lively(make(), draw(CALIBRATING))
        given = draw(1)
        answer = model(*given)
        if place.suffix == ".pt2":
            torch.export.save(torch.export.export(model, given), place)
        else:
            torch.jit.trace(model, given).save(str(place))
    inputs: dict[str, np.ndarray] = {f"input{n}": tensor.numpy() for n, tensor in enumerate(given)}
    sample.keep(place, inputs, [answer.numpy()])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
