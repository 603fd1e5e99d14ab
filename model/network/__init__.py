"""The diffusion transformer: tokens, positions, attention, packing, text, and what a pass costs."""
