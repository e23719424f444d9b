"""Google's own SDK for Gemini, as applications use it."""

import functools

from cases import KEY, LOOP, SCHEMA, TEXT, URL, loop, raised, run, weather
from google import genai
from google.genai import errors as problems
from google.genai import types
from pydantic import BaseModel


class Weather(BaseModel):
    """What a structured answer holds."""

    city: str
    degrees: int


# A client closes its connections when the last name for it is gone, also while a call of its is under way.
@functools.cache
def client(key=KEY):
    options = types.HttpOptions(base_url=URL, timeout=30_000, retry_options=types.HttpRetryOptions(attempts=1))
    return genai.Client(api_key=key, vertexai=False, http_options=options)


TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather", description="Weather by city", parameters_json_schema=SCHEMA
        )
    ]
)
MANUAL = types.GenerateContentConfig(
    tools=[TOOL], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
)


def generate(model):
    config = types.GenerateContentConfig(system_instruction="Be brief.", temperature=0.2, max_output_tokens=300)
    reply = client().models.generate_content(model=model, contents="Hello!", config=config)
    assert reply.text == TEXT, reply
    assert reply.candidates[0].finish_reason == types.FinishReason.STOP, reply
    usage = reply.usage_metadata
    counts = (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count)
    assert counts == (19, 12, 31), usage


def stream(model):
    chunks = list(client().models.generate_content_stream(model=model, contents="Hello!"))
    assert "".join(chunk.text or "" for chunk in chunks) == TEXT, chunks
    finishes = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates]
    assert [finish for finish in finishes if finish] == [types.FinishReason.STOP], chunks
    assert chunks[-1].usage_metadata.total_token_count == 31, chunks[-1]


def results_of(results):
    parts = []
    for (call, name), text in results:
        response = types.FunctionResponse(id=call, name=name, response={"result": text})
        parts.append(types.Part(function_response=response))
    return types.Content(role="user", parts=parts)


def calls_of(content):
    parts = content.parts or []
    calls = [part.function_call for part in parts if part.function_call]
    text = "".join(part.text or "" for part in parts if not part.thought)
    return [((call.id, call.name), call.args["city"]) for call in calls], text


def tools(model):
    own, contents = client(), [types.Content(role="user", parts=[types.Part(text="Hello!")])]

    def turn(results):
        if results:
            contents.append(results_of(results))
        reply = own.models.generate_content(model=model, contents=contents, config=MANUAL)
        contents.append(reply.candidates[0].content)
        return calls_of(contents[-1])

    loop(turn)


def tools_stream(model):
    own, contents = client(), [types.Content(role="user", parts=[types.Part(text="Hello!")])]

    def turn(results):
        if results:
            contents.append(results_of(results))
        chunks = own.models.generate_content_stream(model=model, contents=contents, config=MANUAL)
        contents_of = [chunk.candidates[0].content for chunk in chunks if chunk.candidates]
        parts = [part for content in contents_of if content for part in content.parts or []]
        contents.append(types.Content(role="model", parts=parts))
        return calls_of(contents[-1])

    loop(turn)


def automatic(model):
    """The SDK calls a function of Python's by itself."""
    called = []

    def get_weather(city: str) -> str:
        """Weather by city."""
        called.append(city)
        return weather(city)

    config = types.GenerateContentConfig(tools=[get_weather])
    reply = client().models.generate_content(model=model, contents="Hello!", config=config)
    assert (reply.text, called) == (TEXT, sum(LOOP, [])), (reply, called)


def structured(model):
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Weather)
    reply = client().models.generate_content(model=model, contents="Hello!", config=config)
    assert reply.parsed == Weather(city="Oslo", degrees=4), reply


def count_tokens(model):
    counted = client().models.count_tokens(model=model, contents="Hello!")
    assert counted.total_tokens == 19, counted


def embed(model):
    reply = client().models.embed_content(model=model, contents="Hello!")
    assert [found.values for found in reply.embeddings] == [[0.5, -1.0]], reply


def embed_many(model):
    reply = client().models.embed_content(model=model, contents=["one", "two"])
    assert [found.values for found in reply.embeddings] == [[0.5, -1.0]] * 2, reply


def errors(model):
    def ask(words="Hello!", name=model, own=None):
        return lambda: (own or client()).models.generate_content(model=name, contents=words)

    def code(kind, call):
        error = raised(kind, call)
        assert error.message and error.status, error
        return error.code, error.status

    assert code(problems.ClientError, ask(name="no-such-model")) == (404, "NOT_FOUND")
    assert code(problems.ClientError, ask(own=client("sk-wrong"))) == (401, "UNAUTHENTICATED")
    assert code(problems.ClientError, ask("fail:429")) == (429, "RESOURCE_EXHAUSTED")
    assert code(problems.ClientError, ask("fail:400")) == (400, "INVALID_ARGUMENT")
    assert code(problems.ServerError, ask("fail:500")) == (500, "INTERNAL")


if __name__ == "__main__":
    run(
        generate, stream, tools, tools_stream, automatic, structured, count_tokens, embed, embed_many, errors
    )
