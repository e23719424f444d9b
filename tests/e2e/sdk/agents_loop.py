"""OpenAI's Agents SDK: an agent that looks things up before it answers, over both of its models."""

import agents
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
from cases import KEY, LOOP, TEXT, URL, run, weather
from openai import AsyncOpenAI

agents.set_tracing_disabled(True)


def agent(kind, model):
    called = []

    @function_tool
    def get_weather(city: str) -> str:
        """Weather by city."""
        called.append(city)
        return weather(city)

    own = AsyncOpenAI(api_key=KEY, base_url=URL + "/v1", max_retries=0, timeout=30)
    settings = ModelSettings(store=False, parallel_tool_calls=True)
    made = Agent(
        name="Helper",
        instructions="Look it up.",
        tools=[get_weather],
        model=kind(model=model, openai_client=own),
        model_settings=settings,
    )
    return made, called


def whole(kind, model):
    made, called = agent(kind, model)
    result = Runner.run_sync(made, "Hello!")
    # Calls of one turn run together, in any order.
    assert (result.final_output, sorted(called)) == (TEXT, sorted(sum(LOOP, []))), (result, called)
    assert result.context_wrapper.usage.total_tokens == 31 * 5, result.context_wrapper.usage


def streamed(kind, model):
    import asyncio

    async def go():
        made, called = agent(kind, model)
        result = Runner.run_streamed(made, "Hello!")
        kinds = [event.type async for event in result.stream_events()]
        return result.final_output, called, kinds

    output, called, kinds = asyncio.run(go())
    assert (output, sorted(called)) == (TEXT, sorted(sum(LOOP, []))), (output, called)
    assert "raw_response_event" in kinds and "run_item_stream_event" in kinds, set(kinds)


def chat(model):
    whole(OpenAIChatCompletionsModel, model)


def chat_stream(model):
    streamed(OpenAIChatCompletionsModel, model)


def responses(model):
    whole(OpenAIResponsesModel, model)


def responses_stream(model):
    streamed(OpenAIResponsesModel, model)


if __name__ == "__main__":
    run(chat, chat_stream, responses, responses_stream)
