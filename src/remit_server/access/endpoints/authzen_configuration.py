"""GET /.well-known/authzen-configuration: where decisions are made (AuthZEN 1.0 section 9)."""

from __future__ import annotations

from remit_server.runtime.machines import Machines
from remit_server.wire.http import Answer, Request, json_answer


class AuthzenConfiguration:
    def __init__(self, machines: Machines) -> None:
        url = machines.settings.url
        self._answer = json_answer(
            {
                "policy_decision_point": machines.settings.issuer.rstrip("/"),
                "access_evaluation_endpoint": url("/access/v1/evaluation"),
                "access_evaluations_endpoint": url("/access/v1/evaluations"),
                "search_subject_endpoint": url("/access/v1/search/subject"),
                "search_resource_endpoint": url("/access/v1/search/resource"),
                "search_action_endpoint": url("/access/v1/search/action"),
            },
            headers=(("cache-control", "public, max-age=300"),),
            store=True,
        )

    async def __call__(self, _: Request) -> Answer:
        return self._answer
