"""POST /console/agents/{id}/resume: the stop button's undoing."""

from __future__ import annotations

from remit_server.oversight import agents
from remit_server.ui.pages.suspend import Suspend


class Resume(Suspend):
    verb = staticmethod(agents.resume)
