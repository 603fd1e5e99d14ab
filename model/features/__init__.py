"""Training of the encoder behind `frechet[worlds]`: what it is taught, how, and what it then sees."""
