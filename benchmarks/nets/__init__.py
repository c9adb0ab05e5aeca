"""The benchmarked architectures as torch modules, after their papers' tables.

Only benchmarks.suite's own environment has torch: nothing outside of this folder imports it.
"""
