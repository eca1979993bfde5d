"""The store of one browser, as auth0-server-python wants it from an app."""

from auth0_server_python.store import StateStore


class Memory(StateStore):
    """What is in it, and which logout claims it was told."""

    def __init__(self):
        super().__init__({"secret": "a secret of the app"})
        self.kept, self.told = {}, []

    async def set(self, identifier, state, remove_if_expires=False, options=None):
        self.kept[identifier] = state

    async def get(self, identifier, options=None):
        return self.kept.get(identifier)

    async def delete(self, identifier, options=None):
        self.kept.pop(identifier, None)

    async def delete_by_logout_token(self, claims, options=None):
        self.told.append(claims)
