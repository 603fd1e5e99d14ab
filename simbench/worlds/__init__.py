"""Ground-truth worlds: an authored scene becomes pixels, depth, identities and tracks.

>>> from simbench.worlds import families, make_clip
>>> clip = make_clip(families.build("orbit", seed=3), width=64, height=64, frames=17, fps=8.0)
"""
