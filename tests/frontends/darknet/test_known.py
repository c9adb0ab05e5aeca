"""What is known of sections and keys."""

from frontends.darknet import cfg, known
from tests.frontends.darknet import reference

TEXT = b"""[net]
width=3
teapot=1
[conv]
xnor=1
activation=kettle
kernel=3
[lstm]
output=3
[conv]
xnor=0
"""


def test_all_problems_at_once_with_their_lines() -> None:
    assert known.problems(cfg.read(TEXT)[1:]) == [
        "line 5: xnor=1 of [conv]",
        "line 6: activation=kettle",
        "line 8: section [lstm]",
    ]


def test_unknown_keys() -> None:
    net, layer, *_ = cfg.read(TEXT)
    assert known.unknown(net, known.NET) == [
        "line 3: key teapot of [net] is unknown and does nothing"
    ]
    row = known.LAYERS[known.kind(layer)]
    assert known.unknown(layer, f"{row.keys} {row.refused}") == [
        "line 7: key kernel of [conv] is unknown and does nothing"
    ]


def test_every_layer_is_tested() -> None:
    assert set(reference.LAYERS) == set(known.LAYERS) - {"empty"}
    assert set(known.ALIASES.values()) <= set(known.LAYERS)
