package io.sparkgguf.calibrate.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkgguf.tensor.Metadata;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Templates in the form that families of models have, and what Jinja makes of them. */
class ChatTemplateTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String TALK = """
            [{`role`: `system`, `content`: ` Be brief. `}, {`role`: `user`, `content`: `Hello\\n`},
             {`role`: `assistant`, `content`: `Hi <b>!`}, {`role`: `user`, `content`: `{{ 1 }} ü?`}]""";

    private static final String LLAMA_3 = """
            {% set loop_messages = messages %}{% for message in loop_messages %}\
            {% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'\
            + message['content'] | trim + '<|eot_id|>' %}\
            {% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}\
            {% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}""";

    private static final String LLAMA_3_1 = """
            {{- bos_token }}
            {%- if not date_string is defined %}
                {%- set date_string = strftime_now("%d %b %Y") %}
            {%- endif %}
            {%- if not tools is defined %}
                {%- set tools = none %}
            {%- endif %}

            {#- The system message, to slot it into the right place. #}
            {%- if messages[0]['role'] == 'system' %}
                {%- set system_message = messages[0]['content']|trim %}
                {%- set messages = messages[1:] %}
            {%- else %}
                {%- set system_message = "" %}
            {%- endif %}
            {{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
            {{- "Today Date: " + date_string + "\\n\\n" }}
            {%- if tools is not none %}
                {%- for t in tools %}
                    {{- t | tojson(indent=4) }}
                    {{- "\\n\\n" }}
                {%- endfor %}
            {%- endif %}
            {{- system_message }}
            {{- "<|eot_id|>" }}
            {%- for message in messages %}
                {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
                    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
                {%- elif 'tool_calls' in message %}
                    {%- if not message.tool_calls|length == 1 %}
                        {{- raise_exception("This model only supports single tool-calls at once!") }}
                    {%- endif %}
                    {%- set tool_call = message.tool_calls[0].function %}
                    {{- '{"name": "' + tool_call.name + '", "parameters": ' }}
                    {{- tool_call.arguments | tojson }}
                    {{- "}<|eot_id|>" }}
                {%- else %}
                    {%- if message.content is mapping or message.content is iterable %}
                        {{- message.content | tojson }}
                    {%- endif %}
                {%- endif %}
            {%- endfor %}
            """;

    private static final String QWEN_2_5 = """
            {%- if messages[0]['role'] == 'system' %}
                {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
            {%- else %}
                {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
            {%- endif %}
            {%- for message in messages %}
                {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
                    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
                {%- elif message.role == "tool" %}
                    {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
                        {{- '<|im_start|>user' }}
                    {%- endif %}
                    {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
                    {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
                        {{- '<|im_end|>\\n' }}
                    {%- endif %}
                {%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|im_start|>assistant\\n' }}
            {%- endif %}
            """;

    private static final String QWEN_3 = """
            {%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
            {%- for message in messages[::-1] %}
                {%- set index = (messages|length - 1) - loop.index0 %}
                {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool>') and message.content.endswith('</tool>')) %}
                    {%- set ns.multi_step_tool = false %}
                    {%- set ns.last_query_index = index %}
                {%- endif %}
            {%- endfor %}
            {%- for message in messages %}
                {%- set content = message.content %}
                {%- if '</think>' in content %}
                    {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                    {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
                    {%- if loop.index0 > ns.last_query_index %}
                        {{- '[' + reasoning.strip('\\n') + ']' }}
                    {%- endif %}
                {%- endif %}
                {{- message.role + ':' + content + ';' }}
            {%- endfor %}""";

    private static final String MISTRAL = """
            {{ bos_token }}{% for message in messages %}\
            {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
            {{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}\
            {% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}\
            {% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}\
            {% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}""";

    private static String render(String template, String messages, String tools)
            throws IOException, ChatTemplate.Failure {
        Metadata metadata = new Metadata()
                .putString("tokenizer.ggml.model", "llama")
                .putStrings("tokenizer.ggml.tokens", List.of("<unk>", "<s>", "</s>"))
                .putString("tokenizer.chat_template", template);
        return ChatTemplate.of(metadata).orElseThrow().render(json(messages), tools == null ? null : json(tools));
    }

    private static Object json(String text) throws IOException {
        return JSON.readValue(text.replace('`', '"'), Object.class);
    }

    private static String render(String template) throws IOException, ChatTemplate.Failure {
        return render(template, TALK, null);
    }

    private static void refuses(String reason, String template) {
        ChatTemplate.Failure failure = assertThrows(ChatTemplate.Failure.class, () -> render(template));
        assertEquals(reason, failure.getMessage());
    }

    @Test
    void llama3() throws Exception {
        assertEquals(
                "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\nHi <b>!<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\n{{ 1 }} ü?<|eot_id|>",
                render(LLAMA_3));
    }

    @Test
    void llama31WithADateThatStays() throws Exception {
        assertEquals(
                "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\nBe brief.<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\nHi <b>!<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\n{{ 1 }} ü?<|eot_id|>",
                render(LLAMA_3_1));
    }

    @Test
    void llama31WithTools() throws Exception {
        String messages = """
                [{`role`: `user`, `content`: `W?`},
                 {`role`: `assistant`, `tool_calls`: [{`function`: {`name`: `w`, `arguments`: {`c`: `Ülm`, `n`: 3}}}]},
                 {`role`: `tool`, `content`: `12 C`}]""";
        String tools = "[{`type`: `function`, `n`: [], `p`: {`r`: [`a`, 1.5], `x`: null}}]";
        assertEquals(
                "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n"
                        + "{\n    \"type\": \"function\",\n    \"n\": [],\n    \"p\": {\n        \"r\": [\n"
                        + "            \"a\",\n            1.5\n        ],\n        \"x\": null\n    }\n}\n\n<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nW?<|eot_id|>"
                        + "{\"name\": \"w\", \"parameters\": {\"c\": \"Ülm\", \"n\": 3}}<|eot_id|>\"12 C\"",
                render(LLAMA_3_1, messages, tools));
    }

    @Test
    void qwen25() throws Exception {
        assertEquals(
                "<|im_start|>system\n Be brief. <|im_end|>\n<|im_start|>user\nHello\n<|im_end|>\n"
                        + "<|im_start|>assistant\nHi <b>!<|im_end|>\n<|im_start|>user\n{{ 1 }} ü?<|im_end|>\n",
                render(QWEN_2_5));
        assertEquals(
                "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\na<|im_end|>\n"
                        + "<|im_start|>user\n<tool_response>\nx\n</tool_response>\n<tool_response>\ny\n"
                        + "</tool_response><|im_end|>\n",
                render(
                        QWEN_2_5,
                        "[{`role`: `user`, `content`: `a`}, {`role`: `tool`, `content`: `x`},"
                                + " {`role`: `tool`, `content`: `y`}]",
                        null));
    }

    @Test
    void qwen3() throws Exception {
        String messages = """
                [{`role`: `user`, `content`: `a`}, {`role`: `assistant`, `content`: `<think>\\nold\\n</think>\\n\\nb`},
                 {`role`: `user`, `content`: `c`}, {`role`: `assistant`, `content`: `<think>\\nnew\\n</think>\\n\\nd`}]""";
        assertEquals("user:a;assistant:b;user:c;[new]assistant:d;", render(QWEN_3, messages, null));
    }

    @Test
    void mistral() throws Exception {
        assertEquals(
                "<s>[INST] a [/INST]b</s>[INST] c [/INST]",
                render(
                        MISTRAL,
                        "[{`role`: `user`, `content`: `a`}, {`role`: `assistant`, `content`: `b`},"
                                + " {`role`: `user`, `content`: `c`}]",
                        null));
        refuses("the template says: Conversation roles must alternate user/assistant/user/assistant/...", MISTRAL);
    }

    @ParameterizedTest
    @CsvSource(
            delimiterString = " => ",
            ignoreLeadingAndTrailingWhitespace = false,
            value = {
                "{{ messages[-1]['role'][:2] }}{{ messages[1:]|length }} => us3",
                "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }}{% break %}{% endfor %} => user",
                "{%- macro up(x, on=false) -%}{{ x | upper if on else x }}{%- endmacro -%}{{ up('a') }}{{ up('b', on=true) }} => aB",
                "{% generation %}{{ messages[2].content }}{% endgeneration %} => Hi <b>!",
                "{{ 'not x is y' }}{{ '|nofilter' }}{{ \"[::-1]\" }}{# not a is b #} => not x is y|nofilter[::-1]",
                "{{ {'b': [1, true, none], 'a': 'é<'} | tojson }} => {\"b\": [1, true, null], \"a\": \"é<\"}",
                "{{ messages[0].get('name', 'nobody') }} => nobody",
                "{{ 'a-b-c'.split('-', 1)[1] }}{{ ' x '.strip() }}{{ ','.join(['a', 'b']) }}{{ 'banana'.count('an') }} => b-cxa,b2",
                "{% if undefined_thing %}a{% else %}b{% endif %}{{ undefined_thing }} => b",
                "{%- set ns = namespace(n=1 + 1, s='a, b') %}{{ ns.n }}{{ ns.s }} => 2a, b",
            })
    void constructsOfJinja(String template, String expected) throws Exception {
        assertEquals(expected, render(template));
    }

    @Test
    void blocksAreTrimmedAndTheLastLineFeedDropped() throws Exception {
        assertEquals("a\n  b\nc", render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"));
    }

    @Test
    void whatIsNotSupportedIsSaidWhenItIsReached() throws Exception {
        String loop = "{%% if %s %%}{%% for m in messages if m.role == 'user' %%}x{%% endfor %%}{%% endif %%}y";
        assertEquals("y", render(loop.formatted("false")));
        refuses("it uses a for with an if, which is not supported here", loop.formatted("true"));
        refuses("it uses the filter pirate, which is not supported here", "{{ 'a' | pirate }}");
        assertEquals("y", render("{{ 'x' | pirate if false else 'y' }}"));
    }

    @Test
    void brokenTemplatesAreOneLine() {
        for (String template : List.of("{% if %}", "{{ 'a' + }}", "{% for x in %}", "{% nonsense %}", "{{ f(1) }}")) {
            String message = assertThrows(ChatTemplate.Failure.class, () -> render(template), template)
                    .getMessage();
            assertTrue(!message.isBlank() && message.indexOf('\n') < 0, message);
        }
    }

    @Test
    void aTemplateReachesNothingOutside() {
        for (String template : List.of(
                "{% include 'io/sparkgguf/version.properties' %}",
                "{% import 'io/sparkgguf/version.properties' as v %}",
                "{{ messages.getClass().forName('java.lang.Runtime') }}",
                "{{ ''.class.name }}x")) {
            String rendered;
            try {
                rendered = render(template);
            } catch (Exception e) {
                continue;
            }
            assertTrue(rendered.equals("x") || rendered.isEmpty(), template + " gave " + rendered);
        }
    }

    @Test
    void withoutATemplateThereIsNone() {
        assertTrue(ChatTemplate.of(new Metadata()).isEmpty());
    }
}
