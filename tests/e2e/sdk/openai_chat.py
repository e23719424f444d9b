"""OpenAI's own SDK on chat completions and embeddings, as applications use it."""

import asyncio
import functools
import json

import openai
from cases import KEY, SCHEMA, TEXT, URL, loop, raised, run
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

OPTIONS = {"base_url": URL + "/v1", "max_retries": 0, "timeout": 30}
HELLO = [{"role": "user", "content": "Hello!"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather by city",
        "strict": True,
        "parameters": SCHEMA,
    },
}


class Weather(BaseModel):
    """What a structured answer holds."""

    city: str
    degrees: int


# A client takes longer to make than a call.
@functools.cache
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


def calls_of(message):
    for call in message.tool_calls or []:
        assert call.type == "function" and call.function.name == "get_weather", call
    return [(call.id, json.loads(call.function.arguments)["city"]) for call in message.tool_calls or []]


def results_of(results):
    return [{"role": "tool", "tool_call_id": call, "content": text} for call, text in results]


def tools(model):
    own, messages = client(), list(HELLO)

    def turn(results):
        messages.extend(results_of(results))
        reply = own.chat.completions.create(model=model, messages=messages, tools=[TOOL])
        (choice,) = reply.choices
        messages.append(choice.message)
        assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop"), choice
        return calls_of(choice.message), choice.message.content

    loop(turn)


def tools_stream(model):
    own, messages, kinds = client(), list(HELLO), set()

    def turn(results):
        messages.extend(results_of(results))
        with own.chat.completions.stream(model=model, messages=messages, tools=[TOOL]) as events:
            kinds.update(event.type for event in events)
            message = events.get_final_completion().choices[0].message
        history = message.model_dump(exclude_none=True, exclude={"parsed"})
        for call in history.get("tool_calls", []):
            call["function"].pop("parsed_arguments", None)
            call.pop("index", None)
        messages.append(history)
        return calls_of(message), message.content

    loop(turn)
    assert {"tool_calls.function.arguments.done", "content.delta", "content.done"} <= kinds, kinds


def embeddings(model):
    own = client()
    reply = own.embeddings.create(model=model, input=["one", "two"])
    assert [found.embedding for found in reply.data] == [[0.5, -1.0]] * 2, reply
    assert [found.index for found in reply.data] == [0, 1], reply
    reply = own.embeddings.create(model=model, input="one", encoding_format="float")
    assert reply.data[0].embedding == [0.5, -1.0], reply


def completions(model):
    own = client()
    reply = own.completions.create(model=model, prompt="Tell me", max_tokens=9)
    assert (reply.object, reply.choices[0].text) == ("text_completion", TEXT), reply
    assert (reply.choices[0].finish_reason, reply.usage.total_tokens) == ("stop", 31), reply
    options = {"include_usage": True}
    chunks = list(own.completions.create(model=model, prompt="Tell me", stream=True, stream_options=options))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == TEXT, chunks
    assert chunks[-1].usage.total_tokens == 31, chunks
    error = raised(openai.BadRequestError, lambda: own.completions.create(model=model, prompt=["a", "b"]))
    assert error.param == "prompt", error


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


def errors(model):
    def ask(words="Hello!", name=model, own=None, **options):
        messages = [{"role": "user", "content": words}]
        return lambda: (own or client()).chat.completions.create(model=name, messages=messages, **options)

    error = raised(openai.NotFoundError, ask(name="no-such-model"))
    assert (error.code, error.param, error.status_code) == ("model_not_found", "model", 404), error
    assert error.type == "invalid_request_error" and error.request_id, error
    error = raised(openai.AuthenticationError, ask(own=client("sk-wrong")))
    assert error.code == "invalid_api_key", error
    error = raised(openai.RateLimitError, ask("fail:429"))
    assert error.response.headers["retry-after"] == "7", error.response.headers
    raised(openai.RateLimitError, ask("fail:429", stream=True))
    raised(openai.BadRequestError, ask("fail:400"))
    raised(openai.InternalServerError, ask("fail:500"))
    # A stream that breaks is an exception and not a short answer.
    error = raised(openai.APIError, lambda: list(ask("fail:cut", stream=True)()))
    assert error.message, error


def models(model):
    own = client()
    names = [found.id for found in own.models.list()]
    # In the order of the configuration.
    assert names[0] == model and names[-2:] == ["group/of-names", "responses"], names
    for name in names:
        found = own.models.retrieve(name)
        assert (found.id, found.object) == (name, "model"), found
    error = raised(openai.NotFoundError, lambda: own.models.retrieve("no-such-model"))
    assert error.code == "model_not_found", error


if __name__ == "__main__":
    run(chat, stream, async_stream, tools, tools_stream, structured, image, embeddings, completions, errors, models)
