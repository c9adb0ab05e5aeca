"""`python -m benchmarks COMMAND`: what neoc's artifacts take, and what their peers do.

cpu          the fifteen networks of the suite, beside the peers
models       real models, likewise
forests      tree ensembles, beside XGBoost, ONNX Runtime and treelite
kernels      every kernel call of a network: time, speed, least time and why, knobs
runtime      what a call and a parallel region cost
peak         how fast this machine multiplies, and reads memory
conformance  the official suite of ONNX
fuzz         random graphs against ONNX Runtime
zoo          networks and forests of many frameworks, compiled and judged
faults       the job service while its processes are killed and its connections cut
load         the job service while many jobs wait and many ask
connections  the job service and those who speak HTTP badly, slowly or not at all
"""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from benchmarks import (
    artifacts,
    compare,
    conformance,
    forests,
    kernels,
    models,
    peak,
    runtime,
    suite,
)
from benchmarks.fuzz import fuzz
from benchmarks.service import connections, faults, load
from benchmarks.zoo import zoo


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    cpu = commands.add_parser("cpu", help="the suite beside its peers")
    compare.add_options(cpu, suite.NETS, "all")
    cpu.set_defaults(run=compare.run, source=artifacts.of_suite)
    real = commands.add_parser("models", help="real models beside their peers")
    compare.add_options(real, models.ROWS, ",".join(compare.REAL))
    real.set_defaults(run=compare.run, source=artifacts.real)
    trees = commands.add_parser("forests", help="tree ensembles beside their peers")
    compare.add_options(trees, dict.fromkeys(forests.NAMES), "all")
    trees.set_defaults(run=compare.run, source=forests.network, peers=forests.PEERS)
    for module in (kernels, runtime, peak, conformance, fuzz, faults, load, connections, zoo):
        name = module.__name__.rpartition(".")[2]
        command = commands.add_parser(name, help=_first_line(module))
        module.add_options(command)
        command.set_defaults(run=module.run)

    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0].replace("%", "%%")


if __name__ == "__main__":
    sys.exit(main())
