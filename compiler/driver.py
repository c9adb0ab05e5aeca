"""The line: one request in, one artifact out. Whoever reads this function knows which file holds
what.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import frontends
import targets
from compiler import (
    assemble,
    codegen,
    dump,
    package,
    pipeline,
    plan,
    progress,
    steps,
    storage,
    tune,
    verify,
)
from compiler.artifact import Artifact
from compiler.request import CompileRequest
from frontends import archive


def compile(request: CompileRequest, workdir: Path) -> Artifact:
    """Every stage, in `workdir`, which the caller removes. Raises what compiler/errors.py lists."""
    profile = targets.tailored(targets.get(request.target), request.compiler_options)
    dump.start(Path(request.keep) if request.keep else None)
    uri = storage.artifact_uri(request.output, request.source, request.target)
    storage.check_output(request.output, endpoint_url=request.endpoint_url)

    progress.phase("fetch")
    source = storage.fetch(request.source, workdir, endpoint_url=request.endpoint_url)
    progress.phase("unpack")
    folder = workdir / "model"
    archive.unpack(source, folder)
    progress.phase("frontend")
    options = request.compiler_options
    model = frontends.load(request.framework, folder, request.data_input_config, options)
    progress.phase("lower")
    graph = pipeline.lower(model.module, profile)
    progress.phase("tune")
    chosen = tune.choose(graph, model.signature, profile, request, workdir)
    lowered = pipeline.schedule(graph, profile, chosen)
    progress.phase("build")
    objects = codegen.compile_kernels(lowered.kernels, profile, workdir)
    answers = verify.ask(model)
    progress.phase("plan")
    program = plan.make(lowered, workdir)
    progress.phase("link")
    library = assemble.link(objects, program, model.signature, profile, workdir / "artifact")
    progress.phase("verify")
    twin = assemble.runnable(library, lowered, program, model.signature, profile)
    parity = steps.check(twin, model, lowered, profile, answers, workdir)
    progress.phase("package")
    manifest = package.describe(
        request,
        source,
        model,
        profile,
        parity=parity,
        kernels=lowered.report(),
        warnings=[
            *assemble.warnings(profile),
            *verify.warnings(parity),
            *targets.ignored(options, frontends.OPTIONS.get(request.framework, ())),
        ],
    )
    artifact = package.pack(assemble.members(library, folder), manifest, workdir / Path(uri).name)
    progress.phase("upload")
    storage.upload(artifact.path, uri, kms_key=request.kms_key, endpoint_url=request.endpoint_url)
    return replace(artifact, uri=uri)
