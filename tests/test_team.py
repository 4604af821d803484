"""compose.yaml, the workflows and docs/team.md name what is there; a backup brings the team's store back."""

import os
import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import mlflow
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from pneumonia.registry.pyfunc_model import log_radiograph_model

from .conftest import REPOSITORY
from .mlflow_server import Server
from .shared_services import S3, need, postgresql, s3
from .small_classifier import brightness_network, decision, png, thorax, write_classifier

COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def command(service: str) -> list[str]:
    """What a service runs, with the variables of `.env` filled in."""
    given = SERVICES[service]["command"]
    words = given if isinstance(given, list) else shlex.split(given)
    return [re.sub(r"\$\{\w+[^}]*\}", "secret", word) for word in words]


def test_compose_names_files_volumes_services_and_commands_that_are_there():
    recipe = SERVICES["mlflow"]["build"]["dockerfile_inline"]
    for line in re.findall(r"^COPY (.+)$", recipe, re.MULTILINE):
        assert all((REPOSITORY / name).exists() for name in line.split()[:-1]), line
    [python] = re.findall(r"^FROM python:([\d.]+)", recipe, re.MULTILINE)
    project = (REPOSITORY / "pyproject.toml").read_text()
    assert python in SpecifierSet(re.search(r'requires-python = "(.+)"', project)[1])
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", [])) <= set(SERVICES), name
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"]), name
    # What one service says of another, and where it listens.
    assert SERVICES["mlflow"]["ports"] == ["5000:5000"]
    assert SERVICES["model"]["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"


@pytest.mark.parametrize("service", ["mlflow", "model", "page"])
def test_the_commands_of_compose_have_the_options_that_they_are_given(service):
    program, *arguments = command(service)
    subcommand = takewhile(lambda word: not word.startswith("-"), arguments)
    said = subprocess.run([Path(sys.executable).with_name(program), *subcommand, "--help"], capture_output=True,
                          text=True, check=True).stdout  # fmt: skip
    for option in (word.partition("=")[0] for word in arguments if word.startswith("--")):
        assert option in said, option


def test_workflows_run_scripts_and_targets_that_are_there_on_each_python_of_the_project():
    targets = set(re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    pythons = set()
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            pythons |= set(job.get("strategy", {}).get("matrix", {}).get("python", []))
            for step in job["steps"]:
                words = step.get("run", "").split()
                if words[:1] == ["make"]:
                    assert words[1] in targets, path
                elif words:
                    assert words[0] == "bash" and (REPOSITORY / words[1]).is_file(), path
    project = (REPOSITORY / "pyproject.toml").read_text()
    wanted = SpecifierSet(re.search(r'requires-python = "(.+)"', project)[1])
    assert pythons == {f"3.{minor}" for minor in range(30) if f"3.{minor}" in wanted}


def test_the_buckets_are_made_once(monkeypatch):
    need("boto3", "moto")
    with s3() as address:
        for name, value in {**S3, "MLFLOW_S3_ENDPOINT_URL": address}.items():
            monkeypatch.setenv(name, value)
        import boto3

        for _ in range(2):
            subprocess.run([sys.executable, *command("buckets")[1:]], check=True)
        there = boto3.client("s3", endpoint_url=address).list_buckets()["Buckets"]
        assert {"mlflow", "dvc"} <= {bucket["Name"] for bucket in there}


def register(server: str, model: Path) -> None:
    mlflow.set_tracking_uri(server)
    try:
        mlflow.set_experiment("test")
        with mlflow.start_run():
            log_radiograph_model(model, "model", "pneumonia-binary")
        mlflow.MlflowClient().set_registered_model_alias("pneumonia-binary", "champion", "1")
    finally:
        mlflow.set_tracking_uri(None)


@pytest.mark.slow
def test_a_registry_that_was_destroyed_answers_the_same_from_its_backup(tmp_path):
    need("psycopg2", "boto3", "moto")
    import boto3

    film, backup = tmp_path / "film.png", tmp_path / "registry.dump"
    film.write_bytes(png(thorax(0)))
    model = write_classifier(tmp_path / "model", brightness_network(), decision())

    def ask(address: str) -> str:
        environment = os.environ | {"MLFLOW_TRACKING_URI": address}
        predict = [sys.executable, "-m", "pneumonia.commands.cli", "predict", str(film), "--format", "csv"]
        done = subprocess.run(predict, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def server(name: str, database: str, objects: str) -> Server:
        return Server(tmp_path / name, database, "s3://films/runs", MLFLOW_S3_ENDPOINT_URL=objects, **S3)

    def bucket(objects: str):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.resource("s3", endpoint_url=objects, region_name="us-east-1", **keys).Bucket("films")

    def tool(name: str, database: str, *arguments: str) -> None:
        [*_, newest] = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) or [Path(name)]
        plain = database.replace("+psycopg2", "")
        subprocess.run([newest, *arguments, f"--dbname={plain}"], check=True)

    with postgresql() as database, s3() as objects:
        running = server("first", database, objects)
        try:
            register(running.address, model)
            said = ask(running.address)
        finally:
            running.kill()
        tool("pg_dump", database, "--format=custom", f"--file={backup}")
        kept = {each.key: each.get()["Body"].read() for each in bucket(objects).objects.all()}
    with postgresql() as database, s3() as objects:  # all of it is new and empty
        tool("pg_restore", database, "--no-owner", str(backup))
        for key, content in kept.items():
            bucket(objects).put_object(Key=key, Body=content)
        running = server("second", database, objects)
        try:
            assert ask(running.address) == said
        finally:
            running.kill()
