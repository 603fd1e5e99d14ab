"""The model as a generator of simbench: `generator=model`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simbench.case import Condition
from simbench.errors import UserError
from simbench.generator import Answer, Features, Invalid
from simbench.video import Video

if TYPE_CHECKING:
    from model.sampling.pipeline import How, Pipeline
    from model.sampling.wishes import Wish

SHIPPED = Path(__file__).resolve().parent / "weights" / "nano"


@dataclass(frozen=True)
class ModelGenerator:
    """A checkpoint of model.train (`dir`, empty: the one that ships) with a sampler's options.

    `steps`, `shift`, `guidance`, `order`, `chunk`, `lag`, `mode`, `context_level` and `precision` are those
    of model.sampling.pipeline.How. `device`, `threads` (0: as torch has it) and `batch` say where and how
    fast: sums are rounded in another order, and values in the order of 1 in 100,000 differ by one grey level.
    On the CPU, clips made one by one go to worker processes of one thread each: inside one step of a small
    model, threads mostly wait for each other.
    """

    dir: str = ""
    steps: int = 2
    shift: float = 1.0
    guidance: float = 1.0
    order: str = "euler"
    chunk: int = 0
    lag: int = 0
    mode: str = "bidirectional"
    context_level: float = 0.0
    precision: str = "fp32"
    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    exposure: str = "worlds-train"
    capabilities: frozenset[str] = field(init=False)
    pipeline: Pipeline = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.batch < 1 or self.threads < 0:
            raise UserError(
                f"generator.batch={self.batch} must be 1 or more, generator.threads={self.threads} 0 or more"
            )
        from model.sampling.pipeline import How

        how = How(**{name: getattr(self, name) for name in How.__dataclass_fields__})
        folder = Path(self.dir) if self.dir else SHIPPED
        object.__setattr__(self, "pipeline", opened(folder, how, self.device, self.batch))
        stateless = self.device == "cpu" and self.batch == 1 and self.threads == 1
        can = {"loss", "features", "roundtrip", *(["pool"] if stateless else [])}
        object.__setattr__(self, "capabilities", frozenset(can))

    def __reduce__(self) -> tuple[Any, ...]:
        # Weights do not travel to a worker process: it reads them itself, once for all of its tasks.
        options = tuple(getattr(self, f.name) for f in fields(self) if f.init)
        return _again, (tuple(sorted(self.pipeline.loaded.digests.items())), options)

    def __call__(self, conditions: Sequence[Condition], seeds: Sequence[int]) -> list[Answer]:
        """One clip per condition, of its size and with its given frames; Invalid where this model has no way
        to be asked (words without text, another multiple of pixels, commands that it does not know)."""
        answers: list[Answer] = [None] * len(conditions)
        ready: dict[tuple[Any, ...], list[tuple[int, Wish]]] = {}
        for place, (condition, seed) in enumerate(zip(conditions, seeds, strict=True)):
            wish = self._wish(condition, seed)
            if isinstance(wish, Invalid):
                answers[place] = wish
            else:
                ready.setdefault(_kind(wish), []).append((place, wish))
        with threads(self.threads):
            for group in ready.values():
                made = self.pipeline.make([wish for _, wish in group])
                for (place, wish), frames in zip(group, made, strict=True):
                    answers[place] = Video(frames, float(wish.fps))
        return answers

    def loss(
        self, conditions: Sequence[Condition], videos: Sequence[Video], seeds: Sequence[int]
    ) -> list[np.ndarray | Invalid]:
        """The model's loss of each video (not its own) at fixed levels and the noise of its seed: float64
        [levels, F], levels as in model.sampling.pipeline.LEVELS, F the latent frames that are not context."""
        found: list[np.ndarray | Invalid] = []
        with threads(self.threads):
            for condition, video, seed in zip(conditions, videos, seeds, strict=True):
                wish = self._wish(condition, seed)
                if isinstance(wish, Invalid):
                    found.append(wish)
                    continue
                asked = (wish.frames, wish.height, wish.width, 3)
                if video.frames.shape != asked:
                    got = list(video.frames.shape)
                    found.append(Invalid(f"the video is {got}, the condition asks for {list(asked)}"))
                    continue
                found.append(self.pipeline.losses([wish], [video.frames])[0])
        return found

    def features(
        self,
        conditions: Sequence[Condition],
        videos: Sequence[Video],
        seeds: Sequence[int],
        levels: Sequence[float],
    ) -> list[Features | Invalid]:
        """Activations and latents of each video (not its own), noised to each of `levels` behind the given
        frames with the noise of its seed."""
        found: list[Features | Invalid] = []
        with threads(self.threads):
            for condition, video, seed in zip(conditions, videos, seeds, strict=True):
                wish = self._wish(condition, seed)
                if isinstance(wish, Invalid):
                    found.append(wish)
                    continue
                blocks = self.pipeline.features(wish, video.frames, levels)
                found.append(Features(blocks, self.pipeline.latents(video.frames)))
        return found

    def untrained(self, seed: int) -> ModelGenerator:
        """A generator of the same codec and shape whose transformer is as drawn before training."""
        import torch

        from model.network.dit import DiT

        made = ModelGenerator(*(getattr(self, f.name) for f in fields(self) if f.init))
        loaded = made.pipeline.loaded
        drawn = DiT(loaded.config.dit, torch.Generator().manual_seed(seed)).to(self.device).eval()
        pipeline = replace(made.pipeline, loaded=replace(loaded, dit=drawn, digests={"untrained": str(seed)}))
        object.__setattr__(made, "pipeline", pipeline)
        return made

    def roundtrip(self, video: Video) -> Video:
        """`video` through the codec alone: what is lost before any model."""
        return Video(self.pipeline.roundtrip(video.frames), video.fps)

    def identity(self) -> Mapping[str, Any]:
        """Digests of the weights, the options that build the modules, and those of the sampler."""
        from model.config import to_dict

        loaded = self.pipeline.loaded
        return {
            "class": "model",
            "weights": dict(loaded.digests),
            "config": to_dict(loaded.config),
            "how": asdict(self.pipeline.how),
        }

    def _wish(self, condition: Condition, seed: int) -> Wish | Invalid:
        from model.actions import encode
        from model.sampling.wishes import Wish, camera_rows, problem

        try:
            wish = Wish(
                given=condition.given_frames,
                prompt=condition.prompt,
                width=condition.width,
                height=condition.height,
                frames=condition.frames,
                fps=condition.fps,
                seed=seed,
                actions=None if condition.actions is None else encode(condition.actions),
                camera=None if condition.poses is None else camera_rows(condition.poses),
            )
        except UserError as error:
            return Invalid(str(error))
        reason = problem(self.pipeline.loaded, wish)
        return wish if reason is None else Invalid(reason)


@lru_cache(maxsize=1)
def _again(digests: tuple[tuple[str, str], ...], options: tuple[Any, ...]) -> ModelGenerator:
    """The generator of these options. `digests` are those of its weights: with others it is another one."""
    return ModelGenerator(*options)


def opened(folder: Path, how: How, device: str, batch: int = 1) -> Pipeline:
    """The model in `folder`, ready to sample. UserError for what is no model and for an absent device."""
    import torch

    from model.checkpoint import load_model
    from model.sampling.pipeline import Pipeline

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"device={device} cannot be used ({reason}); use device=cpu") from error
    if folder == SHIPPED and not folder.is_dir():
        raise UserError(
            f"no weights ship in {folder}; name a folder that python -m model.train wrote with dir="
        )
    return Pipeline(load_model(folder, device), how, device, batch)


def _kind(wish: Wish) -> tuple[Any, ...]:
    """Wishes alike in this fit into one batch."""
    commands = (wish.actions is None, wish.camera is None)
    return (wish.width, wish.height, wish.frames, len(wish.given), *commands)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """`count` threads of torch inside the block, 0 for as many as it has."""
    import torch

    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
