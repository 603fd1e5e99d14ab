"""The video VAE: its layers, its closed-form start, its training and its files."""
