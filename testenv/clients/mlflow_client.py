# SPDX-License-Identifier: Apache-2.0
"""MLflow: the artifacts and the model of a real run, tracked in a database of its own, stored in S3."""

import os
import subprocess
import sys

import story

DATABASE = "sqlite:///" + os.path.join(story.folder, "mlflow.db")
os.environ.update(MLFLOW_TRACKING_URI=DATABASE, MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")

import mlflow  # noqa: E402  it reads its environment once

client = mlflow.MlflowClient()
experiment = mlflow.create_experiment("story", artifact_location=f"s3://{story.base}runs")
small = story.make("small é.bin", 300_007)
tree = os.path.dirname(story.make("tree/a b+%.bin", 70_000))
story.make("tree/deep/c.bin", 3)
state = {}


class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float]) -> list[float]:
        return [2 * x for x in model_input]


def upload():
    with mlflow.start_run(experiment_id=experiment) as run:
        state["run"] = run.info.run_id
        mlflow.log_metric("loss", 0.5)
        mlflow.log_artifact(small, "files")
        mlflow.log_artifacts(tree, "tree")
        mlflow.log_dict({"epochs": 7}, "settings.json")
        state["model"] = mlflow.pyfunc.log_model(name="doubler", python_model=Doubler(), pip_requirements=[]).model_uri


def fetch(path):
    return mlflow.artifacts.download_artifacts(run_id=state["run"], artifact_path=path, dst_path=os.path.join(story.folder, "down"))


def download():
    story.same(fetch("files/small é.bin"), small)
    down = fetch("tree")
    for name in ["a b+%.bin", "deep/c.bin"]:
        story.same(os.path.join(down, name), os.path.join(tree, name))
    assert mlflow.artifacts.load_dict(f"runs:/{state['run']}/settings.json") == {"epochs": 7}
    assert mlflow.pyfunc.load_model(state["model"]).predict([1.5, 4.0]) == [3.0, 8.0]


def listed():
    top = {a.path: a.is_dir for a in client.list_artifacts(state["run"])}
    assert {"files": True, "tree": True, "settings.json": False}.items() <= top.items(), top
    below = {a.path: a.file_size for a in client.list_artifacts(state["run"], "tree")}
    assert below == {"tree/a b+%.bin": 70_000, "tree/deep": None}, below


def delete():
    """MLflow deletes artifacts when it collects the runs that were deleted."""
    client.delete_run(state["run"])
    subprocess.run([sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", DATABASE, "--run-ids", state["run"]], check=True, capture_output=True, text=True)
    left = mlflow.artifacts.list_artifacts(artifact_uri=f"s3://{story.base}runs/{state['run']}")
    assert left == [], left


def multipart():
    big = story.make("large.bin", story.LARGE)
    with mlflow.start_run(experiment_id=experiment) as run:
        state["run"] = run.info.run_id
        mlflow.log_artifact(big)
    story.same(fetch("large.bin"), big)


story.tell(mlflow.__version__, upload=upload, download=download, list=listed, delete=delete, multipart=multipart)
