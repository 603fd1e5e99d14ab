"""TensorBoard event files: scalars, the table and the settings as text, the worst cases as pictures."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.extras import needed
from reports.table import table_text
from reports.trackers.run import TrackedRun, short_name


def write(run: TrackedRun, out: Path) -> Path:
    """Write one event file and report.html into a folder of `out`, which is returned; `tensorboard --logdir`
    shows it. An event file that an earlier export left there is replaced."""
    why = "to=tensorboard"
    writers = needed("tensorboard.summary.writer.event_file_writer", why, "tensorboard")
    protos = needed("tensorboard.compat.proto.event_pb2", why, "tensorboard")
    summaries = needed("tensorboard.compat.proto.summary_pb2", why, "tensorboard")
    folder = out / short_name(run.name)
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob("events.out.tfevents.*"):
        earlier.unlink()
    values = [summaries.Summary.Value(tag=name, simple_value=value) for name, value in run.metrics.items()]
    values += [_text(summaries, "table", _block(table_text(run.folder)))]
    values += [_text(summaries, "config", _listed(run.config))]
    values += _pictures(summaries, run.folder)
    writer = writers.EventFileWriter(str(folder))
    for value in values:
        writer.add_event(protos.Event(wall_time=0.0, step=0, summary=summaries.Summary(value=[value])))
    writer.close()
    for path in run.files:
        shutil.copyfile(path, folder / path.name)
    return folder


def _text(summaries: Any, tag: str, text: str) -> Any:
    tensors = needed("tensorboard.compat.proto.tensor_pb2", "to=tensorboard", "tensorboard")
    shapes = needed("tensorboard.compat.proto.tensor_shape_pb2", "to=tensorboard", "tensorboard")
    types = needed("tensorboard.compat.proto.types_pb2", "to=tensorboard", "tensorboard")
    shape = shapes.TensorShapeProto(dim=[shapes.TensorShapeProto.Dim(size=1)])
    tensor = tensors.TensorProto(dtype=types.DT_STRING, string_val=[text.encode()], tensor_shape=shape)
    plugin = summaries.SummaryMetadata.PluginData(plugin_name="text")
    return summaries.Summary.Value(
        tag=tag, tensor=tensor, metadata=summaries.SummaryMetadata(plugin_data=plugin)
    )


def _block(text: str) -> str:
    """Text whose columns stay where they are: TensorBoard reads Markdown."""
    return "\n".join("    " + line for line in text.splitlines())


def _listed(config: Mapping[str, Any]) -> str:
    return _block("\n".join(f"{key} = {json.dumps(value)}" for key, value in sorted(config.items())))


def _pictures(summaries: Any, folder: Path) -> list[Any]:
    listing = folder / "clips" / "clips.json"
    if not listing.is_file():
        return []
    found = []
    for entry in json.loads(listing.read_text(encoding="utf-8"))["clips"]:
        data = (folder / "clips" / f"{entry['name']}.png").read_bytes()
        width, height = struct.unpack(">II", data[16:24])
        image = summaries.Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data)
        tag = f"{entry['suite']}/{entry['why']}/{entry['case']}"
        found.append(summaries.Summary.Value(tag=tag, image=image))
    return found
