"""The loop, its optimizers, what it keeps and how it goes on."""
