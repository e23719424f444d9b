"""Drives a gateway with OpenAI's own SDK, as applications do.

Called with the name of a case and of a model; where the gateway is and its key are in the environment. A case
that does not hold ends in an AssertionError, and so in an exit code.
"""

import asyncio
import json
import os
import sys

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

BASE = os.environ["E2E_GATEWAY_URL"] + "/v1"
KEY = os.environ["E2E_GATEWAY_KEY"]
OPTIONS = {"base_url": BASE, "max_retries": 0, "timeout": 30}
HELLO = [{"role": "user", "content": "Hello!"}]
TEXT = "The boats come in with the tide."
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather by city",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class Weather(BaseModel):
    """What a structured answer holds."""

    city: str
    degrees: int


def client(key=KEY):
    return OpenAI(api_key=key, **OPTIONS)


def chat(model):
    raw = client().chat.completions.with_raw_response.create(model=model, messages=HELLO)
    assert raw.headers["x-gateway-model"] == model, raw.headers
    reply = raw.parse()
    assert reply._request_id == raw.headers["x-gateway-request-id"], raw.headers
    assert reply.object == "chat.completion" and reply.id and reply.created and reply.model
    (choice,) = reply.choices
    assert choice.message.role == "assistant" and choice.message.content == TEXT, choice
    assert choice.finish_reason == "stop" and not choice.message.tool_calls, choice
    usage = reply.usage
    assert usage.prompt_tokens == 19 and usage.completion_tokens == 12 and usage.total_tokens == 31, usage


def read(chunks):
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == TEXT, text
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert finishes == ["stop"], finishes
    assert len({chunk.id for chunk in chunks}) == 1, chunks


def stream(model):
    chunks = list(client().chat.completions.create(model=model, messages=HELLO, stream=True))
    read(chunks)
    assert all(chunk.usage is None and chunk.choices for chunk in chunks), chunks
    options = {"include_usage": True}
    chunks = list(
        client().chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=options)
    )
    read(chunks)
    *before, last = chunks
    assert all(chunk.usage is None for chunk in before), before
    assert not last.choices and last.usage.total_tokens == 31, last


def async_stream(model):
    async def run():
        async with AsyncOpenAI(api_key=KEY, **OPTIONS) as own:
            chunks = await own.chat.completions.create(model=model, messages=HELLO, stream=True)
            return [chunk async for chunk in chunks]

    read(asyncio.run(run()))


def result_of(message):
    (call,) = message.tool_calls
    assert call.id and call.type == "function" and call.function.name == "get_weather", call
    assert json.loads(call.function.arguments) == {"city": "Oslo"}, call
    return {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"degrees": 4})}


def tools(model):
    own, messages = client(), list(HELLO)
    reply = own.chat.completions.create(model=model, messages=messages, tools=[TOOL])
    assert reply.choices[0].finish_reason == "tool_calls", reply
    message = reply.choices[0].message
    messages += [message, result_of(message)]
    reply = own.chat.completions.create(model=model, messages=messages, tools=[TOOL])
    assert reply.choices[0].message.content == TEXT, reply
    assert reply.choices[0].finish_reason == "stop", reply


def tools_stream(model):
    own, messages = client(), list(HELLO)
    with own.chat.completions.stream(model=model, messages=messages, tools=[TOOL]) as events:
        kinds = {event.type for event in events}
        message = events.get_final_completion().choices[0].message
    assert "tool_calls.function.arguments.done" in kinds, kinds
    messages += [message.model_dump(exclude_none=True, exclude={"parsed"}), result_of(message)]
    for call in messages[-2]["tool_calls"]:
        call["function"].pop("parsed_arguments", None)
        call.pop("index", None)
    with own.chat.completions.stream(model=model, messages=messages, tools=[TOOL]) as events:
        final = events.get_final_completion()
    assert final.choices[0].message.content == TEXT, final


def structured(model):
    own = client()
    reply = own.chat.completions.parse(model=model, messages=HELLO, response_format=Weather)
    assert reply.choices[0].message.parsed == Weather(city="Oslo", degrees=4), reply
    with own.chat.completions.stream(model=model, messages=HELLO, response_format=Weather) as events:
        final = events.get_final_completion()
    assert final.choices[0].message.parsed == Weather(city="Oslo", degrees=4), final


def image(model):
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]
    reply = client().chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    assert reply.choices[0].message.content == TEXT, reply


def raised(kind, call):
    try:
        call()
    except openai.APIError as error:
        assert type(error) is kind, f"{type(error)}: {error}"
        return error
    raise AssertionError(f"no {kind}")


def errors(model):
    def ask(name=model, own=None, **options):
        return lambda: (own or client()).chat.completions.create(model=name, messages=HELLO, **options)

    error = raised(openai.NotFoundError, ask("no-such-model"))
    assert (error.code, error.param, error.status_code) == ("model_not_found", "model", 404), error
    assert error.type == "invalid_request_error" and error.request_id, error
    error = raised(openai.AuthenticationError, ask(own=client("sk-wrong")))
    assert error.code == "invalid_api_key", error
    error = raised(openai.RateLimitError, ask(user="limited"))
    assert error.response.headers["retry-after"] == "7", error.response.headers
    raised(openai.RateLimitError, ask(user="limited", stream=True))
    raised(openai.BadRequestError, ask(user="refused"))
    raised(openai.InternalServerError, ask(user="broken"))
    # A stream that breaks is an exception and not a short answer.
    error = raised(openai.APIError, lambda: list(ask(user="cut", stream=True)()))
    assert error.message, error


def models(model):
    own = client()
    names = [found.id for found in own.models.list()]
    assert names == ["zeta", model, "openai/gpt-4o"], names
    for name in names:
        found = own.models.retrieve(name)
        assert (found.id, found.object) == (name, "model"), found
    error = raised(openai.NotFoundError, lambda: own.models.retrieve("no-such-model"))
    assert error.code == "model_not_found", error


CASES = {
    case.__name__: case
    for case in (chat, stream, async_stream, tools, tools_stream, structured, image, errors, models)
}

if __name__ == "__main__":
    CASES[sys.argv[1]](sys.argv[2])
