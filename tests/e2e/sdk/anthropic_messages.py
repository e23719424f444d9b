"""Anthropic's own SDK, as applications use it."""

import asyncio
import functools

import anthropic
from anthropic import Anthropic, AsyncAnthropic
from cases import KEY, SCHEMA, TEXT, URL, loop, raised, run

OPTIONS = {"base_url": URL, "max_retries": 0, "timeout": 30}
HELLO = [{"role": "user", "content": "Hello!"}]
TOOL = {"name": "get_weather", "description": "Weather by city", "input_schema": SCHEMA}
THINKING = {"type": "enabled", "budget_tokens": 2000}


# A client takes longer to make than a call.
@functools.cache
def client(key=KEY):
    return Anthropic(api_key=key, **OPTIONS)


def ask(model, messages=HELLO, **options):
    return {"model": model, "max_tokens": 4000, "messages": messages, **options}


def whole(message):
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn"), message
    assert message.id and message.model and message.stop_sequence is None, message
    (block,) = message.content
    assert (block.type, block.text) == ("text", TEXT), message
    assert (message.usage.input_tokens, message.usage.output_tokens) == (19, 12), message.usage


def create(model):
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    more = {"system": system, "stop_sequences": ["END"], "extra_body": {"temperature": 0.2}}
    message = client().messages.create(**ask(model, **more))
    whole(message)
    assert message._request_id, message
    # A key may come as a token too.
    whole(Anthropic(auth_token=KEY, api_key=None, **OPTIONS).messages.create(**ask(model)))


def stream(model):
    with client().messages.stream(**ask(model)) as events:
        assert "".join(events.text_stream) == TEXT
        whole(events.get_final_message())
    with client().messages.create(**ask(model, stream=True)) as events:
        kinds = [event.type for event in events if event.type != "ping"]
    start, delta, stop = (f"content_block_{word}" for word in ("start", "delta", "stop"))
    assert list(dict.fromkeys(kinds)) == ["message_start", start, delta, stop, "message_delta", "message_stop"], kinds
    assert kinds.count(start) == kinds.count(stop) == 1, kinds


def async_stream(model):
    async def go():
        async with AsyncAnthropic(api_key=KEY, **OPTIONS) as own:
            async with own.messages.stream(**ask(model)) as events:
                return [text async for text in events.text_stream], await events.get_final_message()

    text, message = asyncio.run(go())
    assert "".join(text) == TEXT, text
    whole(message)


def results_of(results):
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call, "content": text} for call, text in results],
    }


def calls_of(message):
    calls = [block for block in message.content if block.type == "tool_use"]
    assert message.stop_reason == ("tool_use" if calls else "end_turn"), message
    assert all(call.name == "get_weather" for call in calls), calls
    text = "".join(block.text for block in message.content if block.type == "text")
    return [(call.id, call.input["city"]) for call in calls], text


def tools(model, **options):
    own, messages = client(), list(HELLO)

    def turn(results):
        if results:
            messages.append(results_of(results))
        message = own.messages.create(**ask(model, messages, tools=[TOOL], **options))
        messages.append({"role": "assistant", "content": message.content})
        return calls_of(message)

    loop(turn)
    return [block for message in messages[1:] for block in message["content"]]


def tools_stream(model, **options):
    own, messages, pieces = client(), list(HELLO), []

    def turn(results):
        if results:
            messages.append(results_of(results))
        with own.messages.stream(**ask(model, messages, tools=[TOOL], **options)) as events:
            pieces.extend(event.partial_json for event in events if event.type == "input_json")
            message = events.get_final_message()
        messages.append({"role": "assistant", "content": message.content})
        return calls_of(message)

    loop(turn)
    assert "Lima" in "".join(pieces), pieces
    return [block for message in messages[1:] for block in message["content"]]


def thinking(model):
    """Signed thoughts come and go back unchanged: the upstream refuses anything else."""
    for way in (tools, tools_stream):
        blocks = [block for block in way(model, thinking=THINKING) if not isinstance(block, dict)]
        thoughts = [block for block in blocks if block.type == "thinking"]
        assert len(thoughts) == 5 and all(thought.signature for thought in thoughts), thoughts
        assert {thought.thinking for thought in thoughts} == {"I should look it up."}, thoughts


def count_tokens(model):
    counted = client().messages.count_tokens(model=model, messages=HELLO, system="Be brief.", tools=[TOOL])
    assert counted.input_tokens == 19, counted


def estimated_tokens(model):
    few = client().messages.count_tokens(model=model, messages=HELLO)
    many = client().messages.count_tokens(model=model, messages=HELLO * 9, tools=[TOOL])
    assert 0 < few.input_tokens < many.input_tokens, (few, many)


def errors(model):
    def send(words="Hello!", name=model, own=None, **options):
        messages = [{"role": "user", "content": words}]
        return lambda: (own or client()).messages.create(**ask(name, messages, **options))

    error = raised(anthropic.NotFoundError, send(name="no-such-model"))
    assert error.body["error"]["type"] == "not_found_error", error.body
    assert error.body["type"] == "error" and error.request_id, error.body
    error = raised(anthropic.AuthenticationError, send(own=client("sk-wrong")))
    assert error.body["error"]["type"] == "authentication_error", error.body
    error = raised(anthropic.RateLimitError, send("fail:429"))
    assert error.response.headers["retry-after"] == "7", error.response.headers
    assert error.body["error"]["type"] == "rate_limit_error", error.body
    raised(anthropic.RateLimitError, send("fail:429", stream=True))
    error = raised(anthropic.BadRequestError, send("fail:400"))
    assert error.body["error"]["type"] == "invalid_request_error", error.body
    error = raised(anthropic.InternalServerError, send("fail:500"))
    assert error.body["error"]["type"] == "api_error", error.body
    broken = lambda: list(send("fail:cut", stream=True)())
    error = raised_kind(broken)
    assert isinstance(error, anthropic.APIError), error


def raised_kind(call):
    try:
        call()
    except anthropic.APIError as error:
        return error
    raise AssertionError("a stream that breaks is no short answer")


def overloaded(model):
    messages = [{"role": "user", "content": "fail:529"}]
    try:
        client().messages.create(**ask(model, messages))
    except anthropic.APIStatusError as error:
        assert error.body["error"]["type"] == "overloaded_error", error.body
        assert error.status_code in (503, 529), error
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    run(
        create, stream, async_stream, tools, tools_stream, thinking, count_tokens, estimated_tokens, errors, overloaded
    )
