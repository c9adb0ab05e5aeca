"""All that somebody needs to repeat a measurement."""

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import targets
from benchmarks.artifacts import ROOT


def provenance(threads: int, versions: Mapping[str, str]) -> dict[str, Any]:
    return {
        "cpu": targets.get("host").title,
        "cpus": len(os.sched_getaffinity(0)),
        "threads": threads,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": dict(versions),
    }


def heading(known: Mapping[str, Any]) -> str:
    """The same in a line, to stand above a table."""
    versions = ", ".join(f"{name} {version}" for name, version in known["versions"].items())
    place = f"{known['cpu']}; {known['cpus']} CPUs, {known['threads']} threads"
    return f"{known['date']}; {place}; commit {known['commit']}" + (versions and f"; {versions}")


def _commit() -> str:
    """`+` behind it: there are changes beside it. Empty outside of a repository."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=12"]
    return subprocess.run(git, capture_output=True, text=True).stdout.strip()
