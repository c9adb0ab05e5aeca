import os

import boto3

from benchmarks.service.deployment import REGION, storage


def test_storage_is_found_by_the_environment() -> None:
    before = dict(os.environ)
    with storage() as url:
        client = boto3.client("s3", endpoint_url=url, region_name=REGION)
        client.create_bucket(Bucket="site")
        assert "site" in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    assert dict(os.environ) == before
