"""The families of the zoo: name -> a function that makes the model, or finds it made."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping

from benchmarks import environments
from benchmarks.zoo import forests
from benchmarks.zoo.sample import Arrays, Sample, made

GLUON = (
    "alexnet densenet121 inceptionv3 mobilenet0.25 mobilenet0.5 mobilenet0.75 mobilenet1.0 "
    "mobilenetv2_0.25 mobilenetv2_0.5 mobilenetv2_1.0 resnet18_v1 resnet18_v2 resnet34_v1 "
    "resnet34_v2 resnet50_v1 resnet50_v2 squeezenet1.0 squeezenet1.1 vgg11 vgg11_bn"
).split()
LARGE = {"inceptionv3": 299}  # pixels on a side; of the others 224
# File -> the library that saves it, and pixels on a side.
KERAS = {
    "MobileNet.h5": ("tf_keras", 96),
    "MobileNetV2.h5": ("tf_keras", 96),
    "MobileNetV3Small.keras": ("keras", 96),
    "MobileNetV3Large.h5": ("tf_keras", 96),
    "EfficientNetB0.keras": ("keras", 96),
    "EfficientNetV2B0.keras": ("keras", 96),
    "DenseNet121.h5": ("tf_keras", 96),
    "ResNet50.h5": ("keras", 96),
    "ResNet50V2.keras": ("keras", 96),
    "InceptionV3.keras": ("keras", 139),
    "Xception.keras": ("keras", 96),
    "NASNetMobile.keras": ("keras", 96),
    "VGG16.h5": ("tf_keras", 64),
    "ConvNeXtTiny.keras": ("keras", 96),
    "InceptionResNetV2.keras": ("keras", 139),
}
# Network and form, as of lite.py -> pixels on a side.
TFLITE = {
    "MobileNet.float": 96,
    "EfficientNetB0.float": 96,
    "MobileNetV3Small.halves": 96,
    "DenseNet121.halves": 64,
    "MobileNetV2.weights": 96,
    "MobileNet.int8": 96,
    "MobileNetV2.uint8": 96,
    "ResNet50V2.int8_inside": 64,
    "EfficientNetB0.int8": 96,
    "MobileNetV2.int16x8": 96,
}
ROUNDED = ("weights", "int8", "uint8", "int8_inside", "int16x8")

# Three libraries' networks, traced or exported.
TORCH = (
    "resnet18.pth mobilenet_v3_large.pt2 regnet_y_400mf.pth googlenet.pth swin_t.pth "
    "ghostnet_100.pth mobilevit_xxs.pt2 convnextv2_atto.pth levit_128s.pth mixer_s32_224.pt2 "
    "bert.pth gpt2.pth llama.pt2 t5.pth vit.pt2"
).split()


def gluon(name: str) -> Sample:
    size = str(LARGE.get(name, 224))
    place, inputs, outputs = made("mxnet", name, environments.mxnet, "gluon", name, size)
    return Sample("MXNET", place, _shapes(inputs), inputs, outputs)


def keras(name: str) -> Sample:
    library, size = KERAS[name]
    asked = (library, name.partition(".")[0], str(size))
    place, inputs, outputs = made("keras", name, environments.tensorflow, "keras_nets", *asked)
    return Sample("KERAS", place, _shapes(inputs), inputs, outputs)


def tflite(name: str) -> Sample:
    net, _, form = name.partition(".")
    asked = (form, net, str(TFLITE[name]))
    place, inputs, outputs = made(
        "tflite", f"{name}.tflite", environments.tensorflow, "lite", *asked, imported=["keras_nets"]
    )
    return Sample("TFLITE", place, None, inputs, outputs, quantised=form in ROUNDED)


def torch(name: str) -> Sample:
    net = name.partition(".")[0]
    place, inputs, outputs = made("torch", name, environments.torch_zoos, "torch_nets", net)
    return Sample("PYTORCH", place, None, inputs, outputs)


def _shapes(inputs: Arrays) -> str:
    return json.dumps({name: list(array.shape) for name, array in inputs.items()})


def _all(make: Callable[[str], Sample], names: Iterable[str]) -> dict[str, Callable[[], Sample]]:
    return {name: functools.partial(make, name) for name in names}


FAMILIES: Mapping[str, Mapping[str, Callable[[], Sample]]] = {
    "mxnet": _all(gluon, GLUON),
    "keras": _all(keras, KERAS),
    "tflite": _all(tflite, TFLITE),
    "torch": _all(torch, TORCH),
    "forests": forests.family(),
}
