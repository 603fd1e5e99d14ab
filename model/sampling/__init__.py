"""From a wish (words, frames, a camera) to a video."""
