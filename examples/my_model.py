"""Your own model in ten lines.

`python -m simbench generator=python generator.target=examples.my_model.MyModel`
"""

import numpy as np


class MyModel:
    """Repeats the last given frame: replace the body of `__call__` with your model."""

    def __call__(self, frames, prompt, n_frames, fps, seed):
        """frames uint8 [k, H, W, 3] -> the whole clip [n_frames, H, W, 3], uint8 or float in [0, 1]."""
        rest = np.repeat(frames[-1:], n_frames - len(frames), axis=0)
        return np.concatenate([frames, rest])
