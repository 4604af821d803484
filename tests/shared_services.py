"""PostgreSQL and an S3-compatible store on this machine, for tests; they are skipped where these cannot be had."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .mlflow_server import free_port

S3 = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def need(*modules: str) -> None:
    """Skip the test where a Python package is not there."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(
            f"no {' and no '.join(missing)} in this environment: "
            "`pip install psycopg2-binary boto3 'moto[server]' dvc-s3`"
        )


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database."""
    folders = [*sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin"))), os.environ["PATH"]]
    initdb, server = (shutil.which(name, path=os.pathsep.join(folders)) for name in ("initdb", "postgres"))
    if not initdb or not server:
        pytest.skip("no PostgreSQL on this machine")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    if user and user not in {each.pw_name for each in pwd.getpwall()}:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        data, port = f"{folder}/data", free_port()
        subprocess.run([initdb, "-D", data, "-A", "trust", "-U", "test"], user=user, check=True, capture_output=True)
        command = [server, "-D", data, "-k", folder, "-h", "127.0.0.1", "-p", str(port)]
        with Path(folder, "log").open("w") as log:
            process = subprocess.Popen(command, user=user, stdout=log, stderr=log, cwd=folder)
        try:
            ready = [str(Path(server).with_name("pg_isready")), "-h", "127.0.0.1", "-p", str(port)]
            while subprocess.run(ready, capture_output=True, check=False).returncode and process.poll() is None:
                time.sleep(0.2)
            yield f"postgresql+psycopg2://test@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait()


@contextmanager
def s3() -> Iterator[str]:
    """The address of an S3-compatible store with a bucket `films`."""
    import boto3

    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/moto-api/").read()
                break
            except OSError:
                time.sleep(0.5)
        client = boto3.client(
            "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.create_bucket(Bucket="films")
        yield address
    finally:
        process.terminate()
        process.wait()
