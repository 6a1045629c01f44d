"""The one kind of error a stage shows without a traceback."""


class InputError(ValueError):
    """Something the user can mend: the message says what was found, what was expected, what to do.

    Everything else that is raised is a bug and keeps its traceback.
    """
