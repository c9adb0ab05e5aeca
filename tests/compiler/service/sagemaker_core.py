"""A job through sagemaker-core, in the environment of that client: told as one JSON object."""

import json
import sys
from typing import Any

LIMIT_S = 120


def main() -> None:
    """Of CreateCompilationJob's request, the argument: created, awaited, listed, deleted."""
    from sagemaker.core.resources import CompilationJob
    from sagemaker.core.shapes import InputConfig, OutputConfig, StoppingCondition

    asked = json.loads(sys.argv[1])
    given, output = asked["InputConfig"], asked["OutputConfig"]
    job = CompilationJob.create(
        compilation_job_name=asked["CompilationJobName"],
        role_arn=asked["RoleArn"],
        input_config=InputConfig(
            s3_uri=given["S3Uri"],
            framework=given["Framework"],
            data_input_config=given["DataInputConfig"],
        ),
        output_config=OutputConfig(
            s3_output_location=output["S3OutputLocation"], target_device=output["TargetDevice"]
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=900),
    )
    told: dict[str, Any] = {"failure": ""}
    try:
        job.wait(poll=1, timeout=LIMIT_S)
    except Exception as error:
        told["failure"] = f"{type(error).__name__}: {error}"
    job.refresh()
    told["status"] = job.compilation_job_status
    told["artifact"] = job.model_artifacts.s3_model_artifacts
    told["listed"] = [found.compilation_job_name for found in CompilationJob.get_all()]
    job.delete()
    told["left"] = [found.compilation_job_name for found in CompilationJob.get_all()]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
