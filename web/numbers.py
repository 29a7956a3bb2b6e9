"""Numbers as addresses and forms bring them: anything may stand there."""

MOST = 2**62  # no id and no place in a list is larger; the database takes it


def whole(text: str, most: int = MOST) -> int | None:
    """A whole number from nothing to `most`, or None: `²`, signs and blanks are no number."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    number = int(text)
    return number if number <= most else None
