"""A leaderboard over runs: one static page, and the report of each run beside it."""
