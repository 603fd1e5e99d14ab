"""Weights & Biases in offline mode: a folder that `wandb sync` can send later, if anybody wants to."""

from __future__ import annotations

from pathlib import Path

from reports.extras import environment, needed
from reports.trackers.run import TrackedRun, short_name

QUIET = {
    "silent": True,
    "console": "off",
    "x_disable_stats": True,
    "x_disable_meta": True,
    "disable_git": True,
}
"""Settings: nothing about the machine is recorded but what run.json says."""


def write(run: TrackedRun, out: Path, project: str) -> Path:
    """Write one offline run below `out`/wandb, which is returned."""
    out.mkdir(parents=True, exist_ok=True)
    with environment(_inside(out)):
        wandb = needed("wandb", "to=wandb", "wandb")
        settings = wandb.Settings(**QUIET)
        with wandb.init(
            mode="offline",
            dir=str(out),
            project=project,
            name=run.name,
            config=dict(run.config),
            settings=settings,
        ) as started:
            started.log(dict(run.metrics))
            artifact = wandb.Artifact(f"report-{short_name(run.name)}"[:128], type="report")
            for path in run.files:
                artifact.add_file(str(path))
            started.log_artifact(artifact)
            folder = Path(started.dir).parent
    return folder


def _inside(out: Path) -> dict[str, str]:
    """wandb keeps copies of artifacts, caches and settings in the user's home; here they stay in `out`."""
    own = out.resolve() / "wandb"
    places = {f"WANDB_{name}_DIR": str(own / name.lower()) for name in ("DATA", "CACHE", "CONFIG")}
    return {"WANDB_ERROR_REPORTING": "false", **places}
