"""What every flow here begins with: its arguments, and the person beside it (play.py has the protocol)."""

import json
import re
import sys

given = json.loads(sys.argv[1])
sys.path += given.get("source", [])


def on_page(name):
    """What the snippet of the page that imports `name` defines."""
    (source,) = [each for each in re.findall(r"```python\n(.*?)```", given["page"], re.DOTALL) if name in each]
    found = {}
    exec(compile(source, name, "exec"), found)
    return found


def ask(ask, /, **about):
    print(json.dumps({"ask": ask, **about}), flush=True)
    return json.loads(sys.stdin.readline())


def result(value):
    print(json.dumps({"result": value}), flush=True)
