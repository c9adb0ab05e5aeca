"""A layer's own name inside the names of the Relax variables that it becomes.

Relax makes names unique by digits at their ends, and a dot an underscore. A mark tells the digits
from the name, and another character stands for the dot, so that the kernels of an artifact can be
listed by the names that their model's author knows.
"""

MARK = "@"
DOT = "\N{MIDDLE DOT}"


def mark(layer: str) -> str:
    return layer.replace(".", DOT) + MARK


def layer_of(variable: str) -> str:
    """The layer; empty for a variable that no layer named."""
    return variable.rpartition(MARK)[0].replace(DOT, ".")
