"""What a model is trained on: worlds, their variety, pools, folders, stored latents."""
