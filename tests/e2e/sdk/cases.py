"""What the scripts share: where the gateway is, the tool, and how cases are run.

A script is called with words like `stream@smart`: a case and the model it is for. Every case is run, and one that
does not hold is told with its traceback; the exit code says whether there was one.
"""

import json
import os
import sys
import traceback

URL = os.environ["E2E_GATEWAY_URL"]
KEY = os.environ["E2E_GATEWAY_KEY"]
TEXT = "The boats come in with the tide."
# Whose weather the upstream asks for, turn by turn, before it answers.
LOOP = [["Oslo"], ["Rome", "Lima"], ["Cairo"], ["Quito"]]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def weather(city):
    """What the tool says."""
    return json.dumps({"city": city, "degrees": 4})


def loop(turn):
    """Runs a tool loop: `turn` takes results as (id, text) and gives calls as (id, city) and the text."""
    results, cities = [], []
    for _ in range(len(LOOP) + 1):
        calls, text = turn(results)
        if not calls:
            assert cities == LOOP, cities
            assert text == TEXT, text
            return
        cities.append([city for _, city in calls])
        results = [(call, weather(city)) for call, city in calls]
    raise AssertionError(f"the loop does not end: {cities}")


def raised(kind, call):
    """The exception that the call must raise, of exactly this class."""
    try:
        call()
    except Exception as error:
        assert type(error) is kind, f"{type(error)}: {error}"
        return error
    raise AssertionError(f"no {kind}")


def run(*cases):
    named = {case.__name__: case for case in cases}
    failed = []
    for word in sys.argv[1:]:
        name, model = word.split("@")
        try:
            named[name](model)
        except Exception:
            print(f"--- {word}", file=sys.stderr)
            traceback.print_exc()
            failed.append(word)
    sys.exit(f"failed: {' '.join(failed)}" if failed else 0)
