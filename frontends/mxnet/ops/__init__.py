"""Every operator of MXNet that is read: its name, and the function that writes it as ONNX."""

from frontends.mxnet.graph import Table
from frontends.mxnet.ops import elementwise, index, norm, recurrent, reduce, shape, window
from frontends.mxnet.ops.norm import LABELLED

FAMILIES = (elementwise, index, norm, recurrent, reduce, shape, window)
OPS: Table = {name: function for family in FAMILIES for name, function in family.OPS.items()}

# Results that MXNet does not call output, or output0, output1, ...
RESULTS = {"RNN": ("output", "state", "state_cell")}

__all__ = ["LABELLED", "OPS", "RESULTS"]
