"""What every flow here begins with: its arguments, and the person beside it (play.py has the protocol)."""

import json
import sys

given = json.loads(sys.argv[1])
sys.path += given.get("source", [])


def ask(ask, /, **about):
    print(json.dumps({"ask": ask, **about}), flush=True)
    return json.loads(sys.stdin.readline())


def result(value):
    print(json.dumps({"result": value}), flush=True)
