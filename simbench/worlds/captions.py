"""Words for a scene: captions for training, and what one can see at a moment for prompts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from simbench.worlds.palette import colour_word
from simbench.worlds.scene import Body, Caption, Scene, position_at

STAGE = ("floor", "ground", "wall", "backdrop", "table", "land")
NOUNS = (
    *STAGE, "batten", "rail", "post", "curtain", "tunnel", "rim", "cup", "tool", "handle", "brush", "ferrule",
    "dial", "hand", "tank", "liquid", "float", "candle", "wick", "flame", "flower", "heart", "stem", "leaf",
    "lamp", "bar", "light", "stop", "tap", "dish", "pot", "leg", "side", "bottom", "spout", "slot", "pole",
    "foot", "hub", "mark", "ball", "cube", "block", "pillar", "cylinder", "disc", "capsule", "diamond",
    "screen", "gate", "box", "rod", "panel", "boot", "canvas", "frame", "board",
)  # fmt: skip
PARTS = (
    "handle", "ferrule", "rim", "rail", "batten", "leg", "side", "bottom", "spout", "slot", "pole", "foot",
    "hub", "mark",
)  # fmt: skip
PATTERNS = {
    "checker": "checkered",
    "stripe": "striped",
    "noise": "mottled",
    "dots": "dotted",
    "brick": "brick",
}
CAMERA = {
    "orbit": ("The camera orbits to the right", "The camera orbits to the left"),
    "truck": ("The camera moves right", "The camera moves left"),
    "dolly": ("The camera pulls back", "The camera pushes in"),
    "crane": ("The camera rises", "The camera sinks"),
    "look-away": ("The camera turns left and back again", "The camera turns right and back again"),
    "walk": ("The camera walks forward in first person", "The camera walks back in first person"),
}
HAPPENS = {
    "hide": "{0} goes behind {1}",
    "show": "{0} comes out again",
    "contact": "{0} touches {1}",
    "bite": "{0} takes a bite out of {1}",
    "print": "a boot leaves a print in {1}",
    "paint": "{0} paints a stroke on {1}",
    "stop": "{0} stops",
    "mine": "a block is mined",
    "place": "a block is placed",
    "dark": "the lights go out",
    "light": "the lights go on again",
    "still": "{0} does not change",
}


def shape_word(body: Body) -> str:
    """What the thing is called: by its name where that ends in a known noun, else by its form."""
    for token in reversed(body.name.replace("-", " ").split()):
        if token in NOUNS:
            return {"tool": "round tool", "backdrop": "wall", "floor": "floor"}.get(token, token)
    x, y, z = (*body.size.at(0.0), 1.0, 1.0)[:3]
    if body.kind == "box":
        if abs(x - y) < 0.05 * x and abs(x - z) < 0.05 * x:
            return "cube"
        return "pillar" if y > 1.8 * max(x, z) else "block"
    if body.kind == "cylinder":
        return "disc" if y < 0.5 * x else "cylinder"
    return {"sphere": "ball", "capsule": "capsule", "plane": "floor"}.get(body.kind, "land")


def texture_word(body: Body) -> str:
    """The pattern as an adjective; empty when flat."""
    return PATTERNS.get(body.material.texture, "")


def describe_body(body: Body, time: float = 0.0, article: bool = False) -> str:
    """Colour, pattern and shape at `time`: "red striped ball"; with the article "a red striped ball"."""
    red, green, blue = body.material.colour.at(time)[:3]
    soft = "soft" if body.name.startswith("soft") else ""
    words = [soft, colour_word((red, green, blue)), texture_word(body), shape_word(body)]
    text = " ".join(w for w in words if w)
    return f"{_article(text)} {text}" if article else text


def _article(text: str) -> str:
    return "an" if text[0] in "aeiou" else "a"


def objects(scene: Scene) -> tuple[Body, ...]:
    """What a viewer would name: the scene's own list, else all but the stage and parts of things."""
    listed = scene.tags.get("objects")
    if listed is not None:
        return tuple(b for b in scene.bodies if b.name in listed)
    return tuple(b for b in scene.bodies if shape_word(b) not in (*STAGE, *PARTS))


def describe_visible(scene: Scene, time: float, visible_names: Iterable[str]) -> str:
    """One plain sentence about the bodies named, as they stand at `time`; nothing about what comes.

    Reads bodies and paint already on the wall at `time`, never events, roles, tags or captions.
    """
    seen = set(visible_names)
    bodies = [b for b in scene.bodies if b.name in seen and b.appears <= time < b.vanishes]
    things = [b for b in bodies if shape_word(b) not in (*STAGE, *PARTS) and b.kind != "voxels"]
    things.sort(key=lambda b: (shape_word(b) in ("post", "wall", "curtain", "tunnel", "screen"), b.name))
    text = _listed([describe_body(b, time) for b in things])
    walls = _kinds(bodies, ("wall", "backdrop"), time)
    grounds = _kinds(bodies, ("floor", "ground"), time)
    tables = _kinds(bodies, ("table",), time)
    if any(b.kind == "voxels" for b in bodies):
        text = text or "A landscape of cubes with grass, sand and trees, in first person"
    for place, named in (("on", tables or grounds), ("in front of", walls)):
        if named:
            text = f"{text} {place} {_listed(named)}" if text else _listed(named)
    strokes = [
        colour_word(p.colour) for p in scene.paints if p.body in seen and p.stroke and p.stroke[0][0] < time
    ]
    if strokes and text:
        text += f" with {_listed([f'{c} stroke' for c in strokes])}"
    text = text or "An empty view under the sky"
    return f"{text[0].upper()}{text[1:]}."


def _kinds(bodies: Sequence[Body], prefixes: tuple[str, ...], time: float) -> list[str]:
    """Descriptions of stage parts whose name starts with one of `prefixes`."""
    return [_surface(b, time) for b in bodies if b.name.replace("-", " ").split()[0] in prefixes]


def _surface(body: Body, time: float = 0.0) -> str:
    red, green, blue = body.material.colour.at(time)[:3]
    words = (colour_word((red, green, blue)), PATTERNS.get(body.material.texture, ""), shape_word(body))
    return " ".join(w for w in words if w)


def _listed(texts: Sequence[str]) -> str:
    """ "a red ball, two blue cubes and a green disc": equal descriptions are counted."""
    numbers = ("", "", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    parts = []
    for text, count in Counter(texts).items():
        few = numbers[count] if count < len(numbers) else str(count)
        parts.append(f"{_article(text)} {text}" if count == 1 else f"{few} {_plural(text)}")
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def _plural(text: str) -> str:
    return f"{text}es" if text.endswith(("s", "x")) else f"{text}s"


def caption(scene: Scene) -> Caption:
    """Short, long and structured words for the whole clip, what happens included: text for training."""
    things = objects(scene)
    story = _story(scene)
    camera = _camera_words(scene)
    layout = describe_visible(scene, 0.0, [b.name for b in scene.bodies])
    movers = [b for b in things if b.role == "mover"] or list(things)
    happening = _sentence(story) if story else ""
    subject = _listed([describe_body(b) for b in movers[:4]]) if movers else layout[:-1]
    short = f"{subject[0].upper()}{subject[1:]}. {happening or camera}".strip()
    long = " ".join(part for part in (layout, happening, camera) if part)
    return Caption(short, long, json.dumps(_structured(scene, things, camera), sort_keys=True))


def _sentence(parts: Sequence[str]) -> str:
    text = "; then ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _story(scene: Scene) -> list[str]:
    """What happens, in order, repeats counted; the touch before a bite or a stroke is not told."""
    told = {e.kind for e in scene.events}
    lines: list[str] = []
    for event in sorted(scene.events, key=lambda e: e.time):
        if event.kind == "contact" and told & {"bite", "paint"}:
            continue
        pattern = HAPPENS.get(event.kind)
        if pattern is None:
            continue
        names = [_the(scene, name) for name in event.bodies]
        if pattern.count("{") > len(names):
            continue
        lines.append(pattern.format(*names))
    if any(move for move in ("mine", "place") if move in told):
        edits = scene.tags.get("edits", [])
        lines = [f"a {stuff} block is {'mined' if kind == 'mine' else 'placed'}" for kind, stuff in edits]
    return _counted(lines)


def _counted(lines: Sequence[str]) -> list[str]:
    merged: list[tuple[str, int]] = []
    for line in lines:
        if merged and merged[-1][0] == line:
            merged[-1] = (line, merged[-1][1] + 1)
        else:
            merged.append((line, 1))
    return [line if n == 1 else f"{line}, {n} times" for line, n in merged]


def _the(scene: Scene, name: str) -> str:
    return f"the {describe_body(scene.body(name))}"


def _camera_words(scene: Scene) -> str:
    camera = scene.tags.get("camera")
    if camera is None or camera["move"] not in CAMERA:
        return "The camera stands still." if len(scene.camera.eye.times) == 1 else "The camera moves."
    words = CAMERA[camera["move"]]
    return f"{words[0] if camera['amount'] >= 0 else words[1]}."


def _structured(scene: Scene, things: Sequence[Body], camera: str) -> dict[str, object]:
    """The same as data: names, words, places in metres, camera, events in seconds."""
    return {
        "family": scene.family,
        "look": scene.look,
        "duration": scene.duration,
        "objects": [
            {
                "name": body.name,
                "colour": colour_word(tuple(body.material.colour.at(0.0)[:3])),  # type: ignore[arg-type]
                "texture": body.material.texture,
                "shape": shape_word(body),
                "role": body.role,
                "position": [round(p, 3) for p in position_at(body.motion, 0.0)],
            }
            for body in things
        ],
        "stage": [_surface(b) for b in scene.bodies if b not in things and shape_word(b) in STAGE],
        "camera": scene.tags.get("camera", {"move": "still", "amount": 0.0}) | {"words": camera},
        "events": [
            {"kind": e.kind, "time": round(e.time, 4), "bodies": list(e.bodies)}
            for e in sorted(scene.events, key=lambda e: e.time)
        ],
        "actions": scene.tags.get("actions", []),
    }
