"""How neoc compares with its peers: real models, answers compared first, then times.

Not in the wheel. `python -m benchmarks` makes the README's table; benchmarks.demo is `make demo`.
"""
