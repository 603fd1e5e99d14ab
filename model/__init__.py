"""The trainable video VAE and diffusion transformer (its own milestone; see README)."""
