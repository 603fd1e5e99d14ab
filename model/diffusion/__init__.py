"""The objective, the levels of noise, and the sampler."""
