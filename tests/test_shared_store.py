"""Many on one store, and outputs that travel: experiments at once, `dvc push`, a clone that recomputes nothing."""

import subprocess
import time
from contextlib import ExitStack

import pytest

from .shared_services import S3, need, s3
from .small_repository import ENVIRONMENT, STAGES, Repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Repository:
    """The project after its first `dvc repro`."""
    project = Repository(tmp_path_factory.mktemp("project"))
    project.run("dvc", "repro")
    return project


@pytest.mark.slow
@pytest.mark.parametrize("store", ["folder", "s3"])
def test_a_clone_pulls_what_was_pushed_and_recomputes_nothing(repository, tmp_path, store):
    with ExitStack() as stack:
        place, settings = str(tmp_path / "remote"), {}
        if store == "s3":
            need("boto3", "moto", "dvc_s3")
            place, settings = "s3://films/dvc", {"endpointurl": stack.enter_context(s3())}
        repository.run("dvc", "remote", "add", "--default", store, place)
        for name, value in settings.items():
            repository.run("dvc", "remote", "modify", store, name, value)
        repository.commit()
        repository.run("dvc", "push", **S3)
        clone = Repository.__new__(Repository)
        clone.root = tmp_path / "clone"
        repository.run("git", "clone", "--quiet", ".", str(clone.root))
        clone.run("dvc", "pull", **S3)
    assert clone.changed_stages() == []
    said = clone.run("dvc", "repro")
    assert said.count("Running stage") == 1  # `inputs`, which looks whether there is any
    assert not [stage for stage in STAGES if f"Running stage '{stage}'" in said]
    assert clone.run("git", "status", "--porcelain") == ""


@pytest.mark.endurance
def test_eight_experiments_at_once_all_end_in_the_store(repository):
    before = {run.info.run_id for run in repository.mlflow_runs()}
    repository.run("dvc", "exp", "run", "--queue", "-S", "seed=1,2,3,4,5,6,7,8")
    start = ["dvc", "queue", "start", "--jobs", "8"]  # its workers would hold a pipe to the end
    subprocess.run(start, cwd=repository.root, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 1800
    while time.monotonic() < deadline:
        status = repository.run("dvc", "queue", "status")
        if "Running" not in status and "Queued" not in status:
            break
        time.sleep(5)
    made = [run for run in repository.mlflow_runs() if run.info.run_id not in before]
    assert sorted(run.data.params["seed"] for run in made) == list("12345678"), status
    assert {run.info.status for run in made} == {"FINISHED"}
    client = repository.mlflow()
    versions = client.search_model_versions("name='pneumonia-binary'")
    assert {run.info.run_id for run in made} <= {version.run_id for version in versions}
    assert all("decision" in version.tags for version in versions)
    aliases = client.get_registered_model("pneumonia-binary").aliases
    decided = {str(version.version): version.tags["decision"].split(":")[0] for version in versions}
    assert {decided[str(number)] for number in aliases.values()} == set(aliases)
