"""The one exception that a user is meant to read."""


class UserError(Exception):
    """Bad input, named with its file, line or config key and the next step. The CLI prints it and exits with 2."""


def unknown(what: str, name: str, known, where: str = "") -> UserError:
    """An error for a name that is not in ``known``, with the closest known name first.

    ``where`` says where the name came from, e.g. ``config.yaml: tables.table1.methods``.
    """
    import difflib

    known = sorted(map(str, known))
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    place = f"{where}: " if where else ""
    return UserError(f"{place}unknown {what} {name!r}.{hint} Known: {', '.join(known) or 'none'}.")
