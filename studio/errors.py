"""The errors that users are meant to read."""


class StudioError(Exception):
    """Something the user can mend; the message says what was found, expected and what to do."""


class NotFound(StudioError):
    """There is nothing of this name."""
