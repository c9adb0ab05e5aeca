"""The neoc command: arguments in, exit status out.

Exit status 0 done, 2 the user's mistake, 1 ours, 130 and 143 stopped by Ctrl-C and SIGTERM.
Results go to standard output, everything else to standard error. What is slow to import is
imported by the command that needs it.
"""

import json
import signal
import sys
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

import targets
from compiler import errors, job, knobs, view
from compiler.errors import ClientError
from compiler.request import CompileRequest, from_api
from compiler.service import commands

app = typer.Typer(
    help="Compile a trained model for a device.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

records_app = typer.Typer(help="Measurements of kernels, which choose the schedules.")
app.add_typer(records_app, name="records", no_args_is_help=True)

app.command("serve")(commands.serve)
app.command("worker")(commands.worker)

keys_app = typer.Typer(help="Keys of the service's clients, in its database.")
app.add_typer(keys_app, name="keys", no_args_is_help=True)
keys_app.command("add")(commands.add_key)
keys_app.command("list")(commands.list_keys)
keys_app.command("remove")(commands.remove_key)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Location = "s3://bucket/key, file:///path or a path"


def main() -> NoReturn:
    """Run the command; a user never sees a stack trace."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except Exception as error:
        if knobs.current().trace:
            traceback.print_exc()
        print(errors.reason(error), file=sys.stderr)
        sys.exit(errors.exit_status(error))
    sys.exit(0)


def _terminated(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


@app.command("compile")
def compile_model(
    source: Annotated[str | None, typer.Option("--input", help=f"The model: {Location}.")] = None,
    framework: Annotated[str | None, typer.Option(help="What it was made with: ONNX.")] = None,
    data_input_config: Annotated[
        str | None, typer.Option(help='Input shapes as JSON: {"data": [1, 3, 224, 224]}.')
    ] = None,
    target_device: Annotated[str | None, typer.Option(help="See neoc targets.")] = None,
    output: Annotated[
        str | None, typer.Option(help=f"The folder for the artifact: {Location}.")
    ] = None,
    max_runtime: Annotated[
        int | None, typer.Option(min=1, help="Give up after so many seconds.")
    ] = None,
    compiler_options: Annotated[
        str | None, typer.Option(help="CompilerOptions of the API, as JSON.")
    ] = None,
    cli_input_json: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-", help="A CreateCompilationJob request; other options overrule it."
        ),
    ] = None,
    endpoint_url: Annotated[
        str | None, typer.Option(help="An S3 server that is not Amazon's.")
    ] = None,
    tune: Annotated[
        int | None,
        typer.Option(min=1, metavar="SECONDS", help="Measure kernels for so long at most."),
    ] = None,
    no_tune: Annotated[
        bool, typer.Option("--no-tune", help="Measure nothing: schedules of records, or ranked.")
    ] = False,
    no_records: Annotated[
        bool, typer.Option("--no-records", help="Neither read nor write earlier measurements.")
    ] = False,
    keep: Annotated[
        str | None, typer.Option(help="Keep every intermediate in this folder.")
    ] = None,
    json_progress: Annotated[
        bool, typer.Option("--json-progress", help="Tell every step as a line of JSON on stderr.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compile one model into one artifact."""
    options = {
        "source": source,
        "framework": framework.upper() if framework else None,
        "data_input_config": data_input_config,
        "target": target_device,
        "output": output,
        "max_runtime_s": max_runtime,
        "options": compiler_options,
        "endpoint_url": endpoint_url,
        "tune_s": 0 if no_tune else tune,
        "records": False if no_records else None,
        "keep": keep,
    }
    given = {name: value for name, value in options.items() if value is not None}
    outcome = _compile(cli_input_json, given, json_progress)
    if as_json:
        print(json.dumps(view.members(outcome)))
    else:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for line in view.summary(outcome):
            console.print(line)
    raise typer.Exit(outcome.exit_status)


@app.command()
def run(
    artifact: Annotated[Path, typer.Argument(help="The archive, or its folder when unpacked.")],
    inputs: Annotated[
        list[str], typer.Option("--input", metavar="NAME=FILE.npy", help="Once for every input.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the outputs, as .npy files.")] = Path(),
) -> None:
    """Run an artifact on this machine."""
    import numpy as np

    from compiler import abi
    from compiler import run as runner
    from frontends.model import cut

    with runner.unpack(artifact) as unpacked:
        runner.check_cpu(unpacked)
        feeds = runner.read_inputs(unpacked, _named_files(inputs))
        [results] = abi.run_apart(unpacked.folder, [feeds])
    output.mkdir(parents=True, exist_ok=True)
    for name, array in cut(results).items():
        path = output / f"{name.replace('/', '_')}.npy"
        np.save(path, array)
        print(f"{name} {array.dtype}{list(array.shape)} {path}")


@app.command()
def bench(
    artifact: Annotated[Path, typer.Argument(help="The archive, or its folder when unpacked.")],
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads to run on; all CPUs if not given.")
    ] = None,
    rows: Annotated[
        int, typer.Option(min=1, help="Rows to run on, of a model that takes any number.")
    ] = 1,
    profile: Annotated[
        bool, typer.Option("--profile", help="Measure every kernel call in the running model.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure an artifact on this machine with its own runner."""
    from compiler import bench as benchmark
    from compiler import calls
    from compiler import run as runner

    with runner.unpack(artifact) as unpacked:
        runner.check_cpu(unpacked)
        place = unpacked.folder, unpacked.manifest["target"]["link"], threads
        if profile:
            times = benchmark.profile(*place, rows=rows)
            found = calls.rows(times, unpacked.manifest["kernels"])
            slowest = sorted(found, key=lambda row: -row.ms)
            lines = calls.lines(calls.HEAD, [row.cells() for row in slowest])
            result: Any = [asdict(row) for row in found]
        else:
            result = asdict(benchmark.bench(*place, rows=rows))
            lines = (_measured(name, value) for name, value in result.items())
    print(json.dumps(result) if as_json else "\n".join(lines))


@records_app.command("show")
def show_records(
    file: Annotated[Path | None, typer.Argument(help="Other records than those in use.")] = None,
    as_json: Json = False,
) -> None:
    """List the fastest setting of every workload and machine."""
    from compiler import records

    book = records.at_hand() if file is None else records.Book(records.read(file))
    best = list(records.summary(book))
    if as_json:
        print(json.dumps([asdict(record) for record in best]))
        return
    for r in best:
        point = " ".join(f"{name}={value}" for name, value in r.point.items())
        machine = f"{r.isa}/{r.cpu} x{r.threads}"
        print(f"{r.us:10.1f} us  {machine}  {r.template}.{r.version} {point}  {r.work}")


@records_app.command("merge")
def merge_records(
    files: Annotated[list[Path], typer.Argument(help="Files of records.")],
) -> None:
    """Add records to the user's own."""
    from compiler import records

    if missing := [str(path) for path in files if not path.is_file()]:
        raise ClientError(f"there is no file {', '.join(missing)}.")
    found = [record for path in files for record in records.read(path)]
    records.append(found, records.user_file())
    print(f"{len(found)} records added to {records.user_file()}")


@records_app.command("export")
def export_records(
    file: Annotated[Path, typer.Argument(help="A file of records, made or brought up to date.")],
) -> None:
    """Write the best of the user's records, and of the file's own, to the file."""
    from compiler import records

    best = records.summary([*records.read(file), *records.read(records.user_file())])
    records.write(best, file)
    print(f"{len(list(best))} records in {file}")


@app.command("targets")
def list_targets(as_json: Json = False) -> None:
    """List every device name, what it is, and whether it compiles here."""
    rows = [
        {"name": profile.name, "compiles": True, "what": profile.title}
        for profile in (*targets.PROFILES.values(), *targets.PLATFORMS.values())
    ]
    rows += [
        {"name": name, "compiles": False, "what": why} for name, why in targets.REFUSED.items()
    ]
    console = Console()
    if as_json:
        print(json.dumps(rows))
    elif console.is_terminal:
        table = Table("device", "compiles", "what it is, or why not")
        for row in rows:
            mark = "[green]yes[/]" if row["compiles"] else "[dim]no[/]"
            table.add_row(f"[bold]{row['name']}[/]", mark, str(row["what"]))
        console.print(table)
    else:
        for row in rows:
            print(f"{row['name']}\t{'yes' if row['compiles'] else 'no'}\t{row['what']}")


def _compile(
    cli_input_json: str | None, options: dict[str, Any], json_progress: bool
) -> job.Outcome:
    """The job's outcome; a request that cannot even start is a failed job too."""
    console = Console(stderr=True)
    try:
        request = _request(cli_input_json, options)
        targets.get(request.target)
        with view.watch(console, request.max_runtime_s, json_progress) as sink:
            return job.run(request, sink)
    except (ClientError, targets.TargetError) as error:
        return job.Outcome("FAILED", 0.0, (), reason=errors.reason(error))


def _request(cli_input_json: str | None, options: dict[str, Any]) -> CompileRequest:
    if cli_input_json is not None:
        return replace(from_api(_read_json(cli_input_json)), **options)
    flags = {
        "source": "--input",
        "framework": "--framework",
        "target": "--target-device",
        "output": "--output",
    }
    if missing := [flag for name, flag in flags.items() if name not in options]:
        raise ClientError(f"missing {', '.join(missing)}; or give a request as --cli-input-json.")
    return CompileRequest(**options)


def _read_json(path: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if path == "-" else Path(path).read_text())
    except OSError as error:
        raise ClientError(f"--cli-input-json {path}: {error.strerror}.") from error
    except ValueError as error:
        raise ClientError(f"--cli-input-json {path} is not valid JSON: {error}") from error


def _named_files(inputs: list[str]) -> dict[str, Path]:
    pairs = [text.rpartition("=") for text in inputs]  # a tensor's name may hold the sign, too
    for text, (name, _, file) in zip(inputs, pairs, strict=True):
        if not name or not file:
            raise ClientError(f"--input {text!r} must be NAME=FILE.npy.")
    return {name: Path(file) for name, _, file in pairs}


def _measured(name: str, value: Any) -> str:
    """`median 4.310 ms` of median_ms, `peak_rss 12.0 MB` of peak_rss_bytes: the name's end is its
    unit."""
    if name.endswith("_ms"):
        return f"{name.removesuffix('_ms'):8} {value:.3f} ms"
    if name.endswith("_bytes"):
        return f"{name.removesuffix('_bytes'):8} {view.bytes_text(value)}"
    return f"{name:8} {value}"
