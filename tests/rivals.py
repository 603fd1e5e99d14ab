"""Permanence as three public tools compute it, next to ours, on our occluder worlds.

`python -m tests.rivals [scenes=32]` from the root of the repository prints the tables and writes
docs/rivals.md. Each function is written from what the tool's description and our own probes of it say;
no code of theirs was read for it. All of them are given perfect detections: the stage without its
objects is known here, so that what they miss is the fault of the measure alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simbench.case import Case, Setting
from simbench.generators.baselines import CopyLast, Frozen
from simbench.suite import CaseScore
from simbench.video import Video
from simbench.worlds.film import render_scene
from simbench.worlds.scene import Body, Material, constant, rest
from suites.permanence import Permanence

SEED = "rivals"
FOREGROUND = 40.0
"""Colour distance to the empty stage, in levels, from which a pixel belongs to an object."""

STRONG = 130.0
"""The same for the reconstruction of DreamBench: below about 110 levels a frame of noise is one blob."""

SETTINGS = (Setting(), Setting(width=64, height=64, look="rich"))


def blobs(frame: np.ndarray, stage: np.ndarray, foreground: float = FOREGROUND) -> np.ndarray:
    """float64 [N, 2]: centres (x, y) px of the regions of 6 px or more that differ from the stage."""
    from scipy import ndimage

    gap = np.sqrt(((frame.astype(np.float64) - stage) ** 2).sum(-1))
    labels, count = ndimage.label(gap > foreground)
    kept = [i for i in range(1, count + 1) if (labels == i).sum() >= 6]
    centres = ndimage.center_of_mass(labels > 0, labels, kept) if kept else []
    return np.array([c[::-1] for c in centres], np.float64).reshape(-1, 2)


def worldproof_permanence(truth: Sequence[np.ndarray], said: Sequence[np.ndarray], side: int) -> float | None:
    """Share of the true blobs of all frames with any predicted blob within max(3 px, 10 % of the side).

    `truth` and `said` hold one [N, 2] of blob centres per predicted frame. None without a true blob.
    """
    reach = max(3.0, 0.1 * side)
    near = [
        bool((np.linalg.norm(b - c, axis=-1) <= reach).any()) if len(b) else False
        for a, b in zip(truth, said, strict=True)
        for c in a
    ]
    return float(np.mean(near)) if near else None


def worldproof_drift(said: Sequence[np.ndarray]) -> float:
    """Count conservation: mean change of the number of predicted blobs since the first predicted frame.
    0 is its best value."""
    counts = np.array([len(b) for b in said], np.float64)
    return float(np.abs(counts - counts[0]).mean())


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004) of two grey images, Gaussian window of sd 1.5 px."""
    from scipy.ndimage import gaussian_filter as blur

    x, y = a.astype(np.float64), b.astype(np.float64)
    mx, my = blur(x, 1.5), blur(y, 1.5)
    vx, vy, vxy = blur(x * x, 1.5) - mx * mx, blur(y * y, 1.5) - my * my, blur(x * y, 1.5) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float((((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())


def worldbench_composite(truth: np.ndarray, said: np.ndarray, cap: float = 50.0) -> float:
    """100 (.35 (1 - MSE) + .30 PSNR / cap + .35 SSIM) over the predicted frames, MSE of values in [0, 1].

    The description gives the weights and not the `cap` in dB; what we say of its order holds for 30-100 dB.
    """
    mse = float(((truth.astype(np.float64) - said) ** 2).mean()) / 255**2
    psnr = cap if mse == 0 else min(cap, -10 * np.log10(mse))
    alike = np.mean([ssim(a.mean(-1), b.mean(-1)) for a, b in zip(truth, said, strict=True)])
    return 100 * (0.35 * (1 - mse) + 0.30 * psnr / cap + 0.35 * float(alike))


def worldbench_permanence(said: np.ndarray, colour: np.ndarray) -> float | None:
    """Share of frames that show a blob of the object's colour (green there); None ("unsupported", left out
    of the average) when the first frame shows none."""
    near = np.sqrt(((said.astype(np.float64) - colour) ** 2).sum(-1)) < 60
    shown = near.sum(axis=(1, 2)) >= 4
    return float(shown.mean()) if shown[0] else None


def dreambench_permanence(truth: Sequence[int], said: Sequence[int], slack: int = 1) -> float | None:
    """Share of the true disappearances and reappearances (changes of the number of objects in view) at which
    the number of predicted objects changes in the same direction, within `slack` frames.

    Its description says only that the objects of two rollouts are compared for those that vanish or come
    from nowhere. This reconstruction orders videos as our probes of the tool did: truth and other colour
    1, noise (.714 there) above never comes out (.5), frozen last (0). None without an event.
    """
    real, guess = np.sign(np.diff(truth)), np.sign(np.diff(said))
    events = np.nonzero(real)[0]
    found = [real[t] in guess[max(0, t - slack) : t + slack + 1] for t in events]
    return float(np.mean(found)) if len(events) else None


def removed(case: Case, setting: Setting) -> Video:
    """The stage without its objects from the first frame on."""
    scene = case.truth.scene
    return Video(
        render_scene(scene.with_bodies(tuple(b for b in scene.bodies if b.role != "mover")), setting),
        setting.fps,
    )


def noisy(case: Case, suite: Permanence, sd: float = 8.0) -> Video:
    """The truth with independent noise of `sd` levels on every predicted frame, as a sensor would add."""
    frames = suite.oracle(case).frames.astype(np.float64)
    rng = np.random.default_rng(case.world_seed)
    frames[suite.context :] += rng.normal(0, sd, frames[suite.context :].shape)
    return Video(np.clip(np.rint(frames), 0, 255).astype(np.uint8), suite.setting.fps)


def videos(suite: Permanence) -> Mapping[str, Callable[[Case], Video | None]]:
    """Everything that is ranked, by the name it has in the table."""
    cheats = suite.cheats()
    return {
        "truth": suite.oracle,
        "truth + noise sd 8": lambda c: noisy(c, suite),
        "always comes out": cheats["always_reappear"],
        "other colour": cheats["colour_swap"],
        "spray of objects": cheats["spray"],
        "never comes out": cheats["vanish"],
        "copy last frame": lambda c: CopyLast()([c.condition], [0])[0],
        "frozen": lambda c: Frozen()([c.condition], [0])[0],
        "objects removed": lambda c: removed(c, suite.setting),
        "noise": cheats["noise"],
    }


def resting(case: Case, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """bool [H, W] and uint8 [H, W, 3]: two balls that rest in the upper corners, to paste over any frame."""
    scene = case.truth.scene
    empty = scene.with_bodies(tuple(b for b in scene.bodies if b.role == "static"))
    balls = tuple(
        Body(f"rest{i}", "sphere", constant(0.055, 0.055, 0.055), rest(x, 0.42, 1.0), Material(constant(*c)))
        for i, (x, c) in enumerate(((-0.33, (0.9, 0.2, 0.1)), (0.33, (0.1, 0.3, 0.9))))
    )
    before = render_scene(empty, setting, [0])[0]
    after = render_scene(empty.with_bodies(empty.bodies + balls), setting, [0])[0]
    return np.abs(after.astype(int) - before).max(-1) > 0, after


@dataclass(frozen=True)
class Judged:
    """What each measure says of one video of one case; None where a measure is not defined."""

    proof: float | None
    proof_resting: float | None
    drift: float
    composite: float
    colour: float | None
    events: float | None


@dataclass(frozen=True)
class Shown:
    """What all videos of one case are held against: the stage and the truth, uint8 [T, H, W, 3], and the
    resting balls as bool [H, W] and uint8 [H, W, 3]."""

    stage: np.ndarray
    truth: np.ndarray
    mask: np.ndarray
    ball: np.ndarray

    def blobs(self, frames: np.ndarray) -> list[np.ndarray]:
        """Objects of each frame, [N, 2] each."""
        return [blobs(f, s) for f, s in zip(frames, self.stage, strict=True)]

    def counts(self, frames: np.ndarray) -> list[int]:
        """Strong objects of each frame."""
        return [len(blobs(f, s, STRONG)) for f, s in zip(frames, self.stage, strict=True)]

    def crowd(self, frames: np.ndarray, rest: bool = True) -> list[np.ndarray]:
        """Objects of each frame with the resting balls pasted over it."""
        return self.blobs(np.where(self.mask[..., None], self.ball, frames) if rest else frames)


def judge(case: Case, shown: Shown, suite: Permanence, name: str, frames: np.ndarray) -> Judged:
    """All of theirs on one video. They judge the frames after the given ones."""
    start, side = suite.context, min(suite.setting.width, suite.setting.height)
    said, real = shown.blobs(frames)[start:], shown.blobs(shown.truth)[start:]
    crowd, real_crowd = shown.crowd(frames, name != "noise")[start:], shown.crowd(shown.truth)[start:]
    gap = np.sqrt(((shown.truth[0].astype(np.float64) - shown.stage[0]) ** 2).sum(-1))
    ink = np.median(shown.truth[0][gap >= 0.9 * gap.max()], axis=0)
    exits = case.tags["trial"] == "exit"
    return Judged(
        proof=worldproof_permanence(real, said, side),
        proof_resting=worldproof_permanence(real_crowd, crowd, side),
        drift=worldproof_drift(said),
        composite=worldbench_composite(shown.truth[start:], frames[start:]),
        colour=worldbench_permanence(frames, ink),
        events=dreambench_permanence(shown.counts(shown.truth), shown.counts(frames)) if exits else None,
    )


def compare(suite: Permanence, count: int) -> dict[str, dict[str, float]]:
    """name of the video -> column -> mean over the cases in which it is defined; `S` is ours in points."""
    made = videos(suite)
    judged: dict[str, list[Judged]] = {name: [] for name in made}
    scored: dict[str, list[CaseScore]] = {name: [] for name in made}
    for scene in suite.scenes(count, SEED):
        for case in suite.cases(scene):
            if not case.tags["hidden"] or case.tags["trial"] not in ("exit", "stay"):
                continue
            score = suite.scorer(case)
            shown = Shown(
                removed(case, suite.setting).frames, suite.oracle(case).frames, *resting(case, suite.setting)
            )
            for name, make in made.items():
                video = make(case)
                assert video is not None
                judged[name].append(judge(case, shown, suite, name, video.frames))
                scored[name].append(
                    CaseScore(case.id, scene, case.world_seed, case.tags, 0, "ok", "", score(video))
                )
    out = {}
    for name in made:
        columns = {}
        for field in Judged.__dataclass_fields__:
            values = [v for j in judged[name] if (v := getattr(j, field)) is not None]
            columns[f"{field}_defined"] = len(values) / len(judged[name])
            if values:
                columns[field] = float(np.mean(values))
        raw = float(np.mean([v["S"] for v in suite.aggregate(scored[name]).values()]))
        out[name] = {**columns, "S": suite.calibrated("S", raw)}
    return out


HEADS = {
    "proof": "worldproof permanence",
    "proof_resting": "the same, two balls at rest in view",
    "drift": "worldproof count drift (0 best)",
    "composite": "worldbench composite",
    "colour": "worldbench colour permanence",
    "events": "DreamBench permanence (reconstructed)",
    "S": "simbench S",
}


def rows(table: Mapping[str, Mapping[str, float]]) -> str:
    """The table in Markdown. Where worldbench leaves most cases out, their share stands beside the mean."""
    lines = ["| video | " + " | ".join(HEADS.values()) + " |", "|---|" + "---:|" * len(HEADS)]
    for name, row in table.items():
        cells = []
        for key in HEADS:
            digits = 1 if key in ("composite", "S") else 2
            cell = f"{row[key]:.{digits}f}" if key in row else "-"
            rare = key == "colour" and row["colour_defined"] < 0.5
            cells.append(f"{cell} ({1 - row['colour_defined']:.0%} unsupported)" if rare else cell)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


TEXT = """# What other tools call permanence

The same videos of the same worlds ({count} scenes, exit and stay trials with a screen, {cases} cases),
judged by the measures of three public tools and by `suite=permanence`. Higher is better except for the
drift. Written by `python -m tests.rivals scenes={count}`; what is said below is asserted on other scenes
by tests/test_rivals.py.

{tables}

- **worldproof 0.1.0** counts the true blobs that have *any* predicted blob within max(3 px, 10 % of the
  side). What comes out in another colour scores as the truth does, and at 32 px so does what always comes
  out, also where a post stopped it; as soon as two balls rest in view, never coming out, a copied last
  frame and a stage without the objects score about .8. Its count drift is best for what never changes.
- **worldbench 0.4.1** averages MSE, PSNR and SSIM: videos in which the object never comes out, comes out
  in another colour or is not there at all beat the truth with a little sensor noise, and at 64 px so does
  a copied last frame. Its colour permanence gives a frozen video more than the truth and leaves out
  ("unsupported") just the cases in which the object is missing from the start.
- **DreamBench** compares which objects vanish and which come from nowhere. Its formula is in no description;
  this reconstruction counts the true disappearances and reappearances that are found, on exit trials, and
  its detector is set (differences of {strong:g} levels) so that it orders videos as our probes of the tool
  did. Pure noise beats a ball that never comes out.
- **S** is hits on exit trials less false alarms on stay trials, each with identity, place and time. Only
  the truth scores, with or without sensor noise.

The measures are written in tests/rivals.py from the tools' descriptions, with perfect detection of what
is not stage; no code of theirs was used. Numbers that the tools print on their own data differ.
"""


def main(arguments: Sequence[str]) -> None:
    """Print the tables and write docs/rivals.md."""
    options = dict(a.split("=", 1) for a in arguments)
    count = int(options.get("scenes", "32"))
    tables = []
    for setting in SETTINGS:
        table = rows(compare(Permanence(setting=setting), count))
        tables.append(f"## {setting.name()}\n\n{table}")
    text = TEXT.format(tables="\n\n".join(tables), count=count, cases=2 * count, strong=STRONG)
    print(text)
    (Path(__file__).resolve().parent.parent / "docs" / "rivals.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
