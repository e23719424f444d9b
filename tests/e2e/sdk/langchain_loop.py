"""LangChain: a tool loop with its models of OpenAI's and Anthropic's."""

from cases import KEY, URL, loop, run, weather
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


@tool
def get_weather(city: str) -> str:
    """Weather by city."""
    return weather(city)


def openai(model, **options):
    return ChatOpenAI(
        model=model, base_url=URL + "/v1", api_key=KEY, max_retries=0, timeout=30, stream_usage=True, **options
    )


def whole(chat):
    chat, messages = chat.bind_tools([get_weather]), [HumanMessage("Hello!")]

    def turn(results):
        messages.extend(ToolMessage(text, tool_call_id=call) for call, text in results)
        message = chat.invoke(messages)
        messages.append(message)
        assert message.usage_metadata["total_tokens"] == 31, message
        return [(call["id"], call["args"]["city"]) for call in message.tool_calls], message.text

    loop(turn)


def streamed(chat):
    chat, messages = chat.bind_tools([get_weather]), [HumanMessage("Hello!")]

    def turn(results):
        messages.extend(ToolMessage(text, tool_call_id=call) for call, text in results)
        message = None
        for chunk in chat.stream(messages):
            message = chunk if message is None else message + chunk
        messages.append(message)
        assert message.usage_metadata["total_tokens"] == 31, message
        return [(call["id"], call["args"]["city"]) for call in message.tool_calls], message.text

    loop(turn)


def chat(model):
    whole(openai(model))


def chat_stream(model):
    streamed(openai(model))


def responses(model):
    whole(openai(model, use_responses_api=True))


def responses_stream(model):
    streamed(openai(model, use_responses_api=True))


def messages(model):
    whole(anthropic(model))


def messages_stream(model):
    streamed(anthropic(model))


def anthropic(model, **options):
    return ChatAnthropic(model=model, base_url=URL, api_key=KEY, max_retries=0, timeout=30, max_tokens=4000, **options)


def thinking(model):
    """Signed thoughts go back unchanged: the upstream refuses anything else."""
    thoughts = {"type": "enabled", "budget_tokens": 2000}
    whole(anthropic(model, thinking=thoughts))
    streamed(anthropic(model, thinking=thoughts))


if __name__ == "__main__":
    run(chat, chat_stream, responses, responses_stream, messages, messages_stream, thinking)
