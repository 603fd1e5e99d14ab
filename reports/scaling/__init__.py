"""How abilities grow with compute: runs of many budgets, a law through them, and what it cannot say."""
