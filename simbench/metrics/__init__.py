"""Measures as pure functions of arrays: pictures, motion, tracks, epipolar geometry, camera paths, depth.

What they share: arrays in, new arrays or floats out, nothing changed in place; a wrong shape is a ValueError
that names the argument; what is undefined (an empty set, 0 / 0) is NaN and the docstring says when. Poses are
world to camera, OpenCV (x right, y down, z forward); pixel centres lie at +0.5.
"""
