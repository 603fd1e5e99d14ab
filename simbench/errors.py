"""Errors that are the user's to mend: one clear line, exit code 2, no traceback."""


class UserError(Exception):
    """Names the value, the limit and the remedy in one line."""
