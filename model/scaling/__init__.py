"""A ladder of training runs: planned sizes and budgets, shared trunks, one cool-down for each run."""
