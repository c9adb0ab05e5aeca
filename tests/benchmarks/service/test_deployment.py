import os
from pathlib import Path

import boto3
import psutil

from benchmarks.service.deployment import REGION, Deployment, Plan, storage


def test_a_site_is_served_killed_and_served_again(tmp_path: Path) -> None:
    plan = Plan(str(tmp_path / "site"), str(tmp_path / "jobs.sqlite"), "http://-", workers=0)
    with Deployment(plan) as served:
        first, client = served.pid, served.client()
        served.kill()
        told = served.ask(client.list_compilation_jobs)
        assert told["CompilationJobSummaries"] == [] and served.pid != first
        last = served.pid
    assert not psutil.pid_exists(last)
    assert not list(served.temporary.iterdir())


def test_storage_is_found_by_the_environment() -> None:
    before = dict(os.environ)
    with storage() as url:
        client = boto3.client("s3", endpoint_url=url, region_name=REGION)
        client.create_bucket(Bucket="site")
        assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["site"]
    assert dict(os.environ) == before
