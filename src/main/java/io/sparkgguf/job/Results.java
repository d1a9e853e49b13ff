package io.sparkgguf.job;

import com.fasterxml.jackson.annotation.JsonAutoDetect.Visibility;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.deser.std.FromStringDeserializer;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.ToStringSerializer;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.quant.ExactSum;
import java.util.function.Function;

/**
 * Results of tasks as text and back, for the journal: records of numbers, text and sums. A type is made only where its
 * place asks for it; nothing in a file names a class.
 */
final class Results {
    static final ObjectMapper JSON = mapper();

    private Results() {}

    private static ObjectMapper mapper() {
        SimpleModule sums = new SimpleModule();
        add(sums, ExactSum.class, ExactSum::parse);
        add(sums, ErrorStats.class, ErrorStats::parse);
        return JsonMapper.builder()
                .visibility(PropertyAccessor.ALL, Visibility.NONE)
                .visibility(PropertyAccessor.FIELD, Visibility.ANY)
                .visibility(PropertyAccessor.CREATOR, Visibility.ANY)
                .addModule(sums)
                .build();
    }

    private static <T> void add(SimpleModule module, Class<T> type, Function<String, T> parser) {
        module.addSerializer(type, ToStringSerializer.instance);
        module.addDeserializer(type, new Parsed<>(type, parser));
    }

    private static final class Parsed<T> extends FromStringDeserializer<T> {
        private static final long serialVersionUID = 1L;
        private final transient Function<String, T> parser;

        Parsed(Class<T> type, Function<String, T> parser) {
            super(type);
            this.parser = parser;
        }

        @Override
        protected T _deserialize(String text, com.fasterxml.jackson.databind.DeserializationContext context) {
            return parser.apply(text);
        }
    }
}
