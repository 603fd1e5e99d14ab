"""Generators that need no weights: files made elsewhere, a user's own class, classical prediction."""
