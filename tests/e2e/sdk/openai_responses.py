"""OpenAI's own SDK on the Responses API, as applications use it."""

import functools
import json

import openai
from cases import KEY, SCHEMA, TEXT, URL, loop, raised, run
from openai import OpenAI
from pydantic import BaseModel

TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather by city",
    "strict": True,
    "parameters": SCHEMA,
}


class Weather(BaseModel):
    """What a structured answer holds."""

    city: str
    degrees: int


# A client takes longer to make than a call.
@functools.cache
def client(key=KEY):
    return OpenAI(api_key=key, base_url=URL + "/v1", max_retries=0, timeout=30)


def whole(reply):
    assert (reply.object, reply.status, reply.output_text) == ("response", "completed", TEXT), reply
    assert reply.id and reply.model and reply.created_at, reply
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (19, 12, 31), usage


def create(model):
    own = client()
    whole(own.responses.create(model=model, instructions="Be brief.", input="Hello!", store=False))
    content = [{"type": "input_text", "text": "Hello!"}]
    whole(own.responses.create(model=model, input=[{"role": "user", "content": content}], store=False))


ORDER = [
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


def stream(model):
    events = list(client().responses.create(model=model, input="Hello!", stream=True, store=False))
    assert [event.sequence_number for event in events] == list(range(len(events))), events
    firsts = list(dict.fromkeys(event.type for event in events if event.type != "response.in_progress"))
    assert firsts == ORDER, firsts
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == TEXT, text
    whole(events[-1].response)
    with client().responses.stream(model=model, input="Hello!", store=False) as helper:
        kinds = {event.type for event in helper}
        whole(helper.get_final_response())
    assert set(ORDER) <= kinds, kinds


def calls_of(reply):
    calls = [item for item in reply.output if item.type == "function_call"]
    assert all(call.name == "get_weather" and call.id and call.status == "completed" for call in calls), calls
    return [(call.call_id, json.loads(call.arguments)["city"]) for call in calls]


def results_of(results):
    return [{"type": "function_call_output", "call_id": call, "output": text} for call, text in results]


def back(reply):
    """The output as input: the SDK's own way."""
    return [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in reply.output]


def tools(model, **options):
    own, items = client(), [{"role": "user", "content": "Hello!"}]

    def turn(results):
        items.extend(results_of(results))
        reply = own.responses.create(model=model, input=items, tools=[TOOL], store=False, **options)
        items.extend(back(reply))
        return calls_of(reply), reply.output_text

    loop(turn)
    return items


def tools_stream(model):
    own, items, kinds = client(), [{"role": "user", "content": "Hello!"}], set()

    def turn(results):
        items.extend(results_of(results))
        with own.responses.stream(model=model, input=items, tools=[TOOL], store=False) as events:
            kinds.update(event.type for event in events)
            reply = events.get_final_response()
        for item in back(reply):
            for part in item.get("content", []):
                part.pop("parsed", None)
            items.append(item)
        return calls_of(reply), reply.output_text

    loop(turn)
    assert "response.function_call_arguments.done" in kinds, kinds


def reasoning(model):
    """Thoughts come as items, sealed, and go back in front of the calls that they led to."""
    include = ["reasoning.encrypted_content"]
    items = tools(model, reasoning={"effort": "high", "summary": "auto"}, include=include, max_output_tokens=8000)
    thoughts = [item for item in items if item.get("type") == "reasoning"]
    assert len(thoughts) == 5 and all(item["encrypted_content"] for item in thoughts), thoughts


def structured(model):
    own = client()
    reply = own.responses.parse(model=model, input="Hello!", text_format=Weather, store=False)
    assert reply.output_parsed == Weather(city="Oslo", degrees=4), reply
    with own.responses.stream(model=model, input="Hello!", text_format=Weather, store=False) as events:
        reply = events.get_final_response()
    assert reply.output_parsed == Weather(city="Oslo", degrees=4), reply


def errors(model):
    def ask(words="Hello!", name=model, own=None, **options):
        return lambda: (own or client()).responses.create(model=name, input=words, store=False, **options)

    error = raised(openai.NotFoundError, ask(name="no-such-model"))
    assert (error.code, error.param) == ("model_not_found", "model"), error
    raised(openai.AuthenticationError, ask(own=client("sk-wrong")))
    error = raised(openai.RateLimitError, ask("fail:429"))
    assert error.response.headers["retry-after"] == "7", error.response.headers
    raised(openai.RateLimitError, ask("fail:429", stream=True))
    raised(openai.BadRequestError, ask("fail:400"))
    raised(openai.InternalServerError, ask("fail:500"))


def unsupported(model):
    """What only OpenAI keeps or runs is refused by name."""
    for name, options in {
        "previous_response_id": {"previous_response_id": "resp_1"},
        "background": {"background": True},
        "tools[0]": {"tools": [{"type": "web_search"}]},
    }.items():
        error = raised(
            openai.BadRequestError,
            lambda: client().responses.create(model=model, input="Hello!", **options),
        )
        assert (error.param, error.code) == (name, "unsupported_parameter"), error


if __name__ == "__main__":
    run(create, stream, tools, tools_stream, reasoning, structured, errors, unsupported)
