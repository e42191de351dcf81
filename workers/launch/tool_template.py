"""Chat templates that tell a model about tools, for models whose own template knows none.

llama.cpp shows a model its tools, and what they answered, only through the model's template, and finds calls in an
answer by how the template writes them. So what the template lacks is put before it, in Jinja: tools are described ahead
of the first user's message; calls, and what they returned, become texts of the assistant and the user. The format is
the one of Hermes and Qwen, which most models have seen. Chats without tools are not changed.
"""

from __future__ import annotations

from pathlib import Path

from shared.gguf import read_header

_KEY = "tokenizer.chat_template"


def tool_template(path: Path) -> str | None:
    """The template for a GGUF file's model, made to know tools; `None` where its own does, or it has none.

    Raises InvalidInput when the file is damaged.
    """
    with path.open("rb") as stream:
        metadata = read_header(stream, path.name).metadata
    own = metadata.get(_KEY)
    if not isinstance(own, str) or "tools" in own or f"{_KEY}.tool_use" in metadata:
        return None
    return with_tools(own)


def with_tools(template: str) -> str:
    """A template that knows none, with tools described, and calls and results as texts."""
    return _BEFORE + template


#: Each message goes on as it is, unless tools have to do with it: engines look at what a template does with which.
_BEFORE = r"""
{%- set calling = namespace(ahead='', messages=[]) -%}
{%- if tools -%}
  {%- set calling.ahead = 'You may call functions to answer. Their signatures:\n<tools>\n' -%}
  {%- for tool in tools -%}
    {%- set calling.ahead = calling.ahead ~ (tool | tojson) ~ '\n' -%}
  {%- endfor -%}
  {%- set calling.ahead = calling.ahead ~ '</tools>\nTo call one, answer with its name and arguments:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>\n\n' -%}
{%- endif -%}
{%- for message in messages -%}
  {%- if message.role == 'tool' -%}
    {%- set calling.ahead = calling.ahead ~ '<tool_response>\n' ~ message.content ~ '\n</tool_response>\n' -%}
    {%- if loop.last or messages[loop.index].role not in ['tool', 'user'] -%}
      {%- set calling.messages = calling.messages + [{'role': 'user', 'content': calling.ahead}] -%}
      {%- set calling.ahead = '' -%}
    {%- endif -%}
  {%- elif message.role == 'user' and calling.ahead -%}
    {%- if message.content is string -%}
      {%- set calling.messages = calling.messages + [{'role': 'user', 'content': calling.ahead ~ message.content}] -%}
    {%- else -%}
      {%- set calling.messages = calling.messages + [{'role': 'user', 'content': [{'type': 'text', 'text': calling.ahead}] + message.content}] -%}
    {%- endif -%}
    {%- set calling.ahead = '' -%}
  {%- elif message.role == 'assistant' and message.tool_calls -%}
    {%- set said = namespace(text=message.content or '') -%}
    {%- for call in message.tool_calls -%}
      {%- set given = call.function.arguments if call.function.arguments is string else (call.function.arguments | tojson) -%}
      {%- set said.text = said.text ~ ('\n' if said.text else '') ~ '<tool_call>\n{"name": ' ~ (call.function.name | tojson) ~ ', "arguments": ' ~ given ~ '}\n</tool_call>' -%}
    {%- endfor -%}
    {%- set calling.messages = calling.messages + [{'role': 'assistant', 'content': said.text}] -%}
  {%- else -%}
    {%- set calling.messages = calling.messages + [message] -%}
  {%- endif -%}
{%- endfor -%}
{%- set messages = calling.messages -%}
"""  # noqa: E501
