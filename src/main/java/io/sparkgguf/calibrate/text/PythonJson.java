package io.sparkgguf.calibrate.text;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.util.MinimalPrettyPrinter;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.filter.Filter;
import java.io.IOException;
import java.util.Map;

/**
 * The filter {@code tojson} as transformers has it: Python's {@code json.dumps} without escapes beyond JSON's own, in
 * one line with a space behind commas and colons, or with {@code indent=n} over several.
 */
final class PythonJson implements Filter {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    @Override
    public String getName() {
        return "tojson";
    }

    @Override
    public Object filter(Object value, JinjavaInterpreter interpreter, Object[] arguments, Map<String, Object> named) {
        Object indent = named.getOrDefault("indent", arguments.length > 0 ? arguments[0] : null);
        try {
            return MAPPER.writer(new Layout(indent instanceof Number spaces ? spaces.intValue() : -1))
                    .writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new InterpretException("tojson: " + e.getOriginalMessage());
        }
    }

    @Override
    public Object filter(Object value, JinjavaInterpreter interpreter, String... arguments) {
        return filter(value, interpreter, (Object[]) arguments, Map.of());
    }

    /** Where Python puts spaces and line feeds; a list or object of nothing has none inside. */
    private static final class Layout extends MinimalPrettyPrinter {
        private static final long serialVersionUID = 1L;
        private final int indent;
        private int depth;

        Layout(int indent) {
            this.indent = indent;
        }

        private void line(JsonGenerator to) throws IOException {
            if (indent >= 0) {
                to.writeRaw('\n' + " ".repeat(indent * depth));
            }
        }

        @Override
        public void writeObjectFieldValueSeparator(JsonGenerator to) throws IOException {
            to.writeRaw(": ");
        }

        @Override
        public void writeStartObject(JsonGenerator to) throws IOException {
            to.writeRaw('{');
            depth++;
        }

        @Override
        public void beforeObjectEntries(JsonGenerator to) throws IOException {
            line(to);
        }

        @Override
        public void writeObjectEntrySeparator(JsonGenerator to) throws IOException {
            separate(to);
        }

        @Override
        public void writeEndObject(JsonGenerator to, int count) throws IOException {
            end(to, count, '}');
        }

        @Override
        public void writeStartArray(JsonGenerator to) throws IOException {
            to.writeRaw('[');
            depth++;
        }

        @Override
        public void beforeArrayValues(JsonGenerator to) throws IOException {
            line(to);
        }

        @Override
        public void writeArrayValueSeparator(JsonGenerator to) throws IOException {
            separate(to);
        }

        @Override
        public void writeEndArray(JsonGenerator to, int count) throws IOException {
            end(to, count, ']');
        }

        private void separate(JsonGenerator to) throws IOException {
            to.writeRaw(indent >= 0 ? "," : ", ");
            line(to);
        }

        private void end(JsonGenerator to, int count, char bracket) throws IOException {
            depth--;
            if (count > 0) {
                line(to);
            }
            to.writeRaw(bracket);
        }
    }
}
