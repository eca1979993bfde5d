"""Whose an account is, and who may do what with one that is the organisation's."""

from __future__ import annotations

from remit_server.records import ConnectedAccount, Connection, User
from remit_server.records.connection import ORGANISATION


def may_borrow(connection: Connection, user: User) -> bool:
    """Whether the organisation's accounts at this connection are for this person's agents, too."""
    return not set(user.groups).isdisjoint(connection.shared_with)


def may_share(connection: Connection | None, user: User) -> bool:
    """Whether this person may connect accounts there on behalf of the organisation."""
    return connection is not None and user.administrator and bool(connection.shared_with)


def sees(account: ConnectedAccount, connection: Connection | None, user: User) -> bool:
    """Whether the account is shown to this person. Administrators see the organisation's also when its connection is gone:
    somebody has to take them away."""
    if account.user_id != ORGANISATION:
        return account.user_id == user.id
    return user.administrator or (connection is not None and may_borrow(connection, user))


def may_change(account: ConnectedAccount, user: User) -> bool:
    """Whether this person may reconnect, limit and disconnect the account: their own, and an administrator the
    organisation's."""
    return account.user_id == user.id or (account.user_id == ORGANISATION and user.administrator)
