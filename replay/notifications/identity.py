"""What notifications and their originators are called: pure functions of what is on the tape."""

from uuid import UUID, uuid5

# Behind an event come the decisions on it: more than any state can make at once.
_PLACE_BITS = 20
PLACES = 1 << _PLACE_BITS


def notification_id(seq: int, place: int) -> int:
    """The id of event `seq` (place 0) or of the decision on it at `place`, counted from 1."""
    assert 0 <= place < PLACES
    return seq << _PLACE_BITS | place


def seq_of(notification_id: int) -> int:
    """The event of the tape that a notification is of."""
    return notification_id >> _PLACE_BITS


def last_id_of(seq: int) -> int:
    """No notification of event `seq` has a larger id."""
    return notification_id(seq, PLACES - 1)


def originator_of(journal_id: str, what: str, number: int) -> UUID:
    """The id of an `order`, `instrument` or `breaker` of a journal by its number."""
    return uuid5(UUID(journal_id), f"{what}-{number}")
