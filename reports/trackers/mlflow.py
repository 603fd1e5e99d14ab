"""MLflow: a SQLite file with the artifacts beside it, as `mlflow ui --backend-store-uri` reads them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from reports.extras import environment, needed
from reports.trackers.run import TrackedRun

ALONE = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}
"""MLflow counts its users over the network unless told not to."""

LONGEST = 6000
"""Characters of a parameter that MLflow takes."""


def write(run: TrackedRun, out: Path, project: str) -> Path:
    """Add one run of the experiment `project` to `out`/mlflow.db, which is returned."""
    out.mkdir(parents=True, exist_ok=True)
    path = (out / "mlflow.db").resolve()
    with environment(ALONE), warnings.catch_warnings():
        # Its own packages warn of each other.
        warnings.simplefilter("ignore")
        client, entities = _client(f"sqlite:///{path}")
        known = client.get_experiment_by_name(project)
        place = (out / "artifacts").resolve().as_uri()
        experiment = (
            known.experiment_id if known else client.create_experiment(project, artifact_location=place)
        )
        key = client.create_run(experiment, run_name=run.name).info.run_id
        metrics = [entities.Metric(name, value, 0, 0) for name, value in run.metrics.items()]
        params = [entities.Param(name, str(value)[:LONGEST]) for name, value in run.config.items()]
        for start in range(0, len(metrics), 1000):
            client.log_batch(key, metrics=metrics[start : start + 1000])
        for start in range(0, len(params), 100):
            client.log_batch(key, params=params[start : start + 100])
        for file in run.files:
            client.log_artifact(key, str(file))
        client.set_terminated(key)
    return path


def _client(address: str) -> tuple[Any, Any]:
    mlflow = needed("mlflow", "to=mlflow", "mlflow")
    for module in ("sqlalchemy", "alembic"):
        needed(module, "to=mlflow", "mlflow")
    return mlflow.MlflowClient(tracking_uri=address), needed("mlflow.entities", "to=mlflow", "mlflow")
