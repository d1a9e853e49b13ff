package io.sparkgguf.model.tokenizer;

import static io.sparkgguf.model.tokenizer.Folder.json;
import static io.sparkgguf.model.tokenizer.Folder.strings;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.tensor.Metadata;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ChatTemplatesTest {
    private static final String TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% endfor %} \"'é";

    private final ObjectNode config = Folder.byteLevelConfig();
    private final Folder folder = new Folder().put("tokenizer.json", Folder.byteLevel());

    private TokenizerMetadata read() {
        return folder.put("tokenizer_config.json", config).read(8);
    }

    private static Optional<String> text(Metadata metadata, String key) {
        return metadata.string("tokenizer.chat_template" + key);
    }

    @Test
    void oneTemplateIsKeptToTheLetter() {
        config.put("chat_template", TEMPLATE);
        Metadata metadata = read().metadata();
        assertEquals(Optional.of(TEMPLATE), text(metadata, ""));
        assertFalse(metadata.contains("tokenizer.chat_templates"));
    }

    @Test
    void namedTemplatesGetKeysOfTheirNames() {
        config.set(
                "chat_template",
                json("{`a`: [{`name`: `tool use`, `template`: `T`}, {`name`: `default`, `template`: `D`},"
                                + " {`name`: `rag`, `template`: `R`}]}")
                        .get("a"));
        Metadata metadata = read().metadata();
        assertEquals(Optional.of("D"), text(metadata, ""));
        assertEquals(Optional.of("T"), text(metadata, ".tool_use"));
        assertEquals(Optional.of("R"), text(metadata, ".rag"));
        assertEquals(List.of("rag", "tool_use"), strings(metadata, "tokenizer.chat_templates"));
    }

    @Test
    void theFileCountsWhereTheConfigurationHasNone() {
        folder.put("chat_template.jinja", TEMPLATE)
                .put("additional_chat_templates/tool-use.jinja", "T")
                .put("chat_template.json", "{\"chat_template\": \"never\"}");
        Metadata metadata = read().metadata();
        assertEquals(Optional.of(TEMPLATE), text(metadata, ""));
        assertEquals(Optional.of("T"), text(metadata, ".tool_use"));
        assertEquals(List.of("tool_use"), strings(metadata, "tokenizer.chat_templates"));
    }

    @Test
    void theConfigurationCountsBeforeTheFileAndADifferenceIsSaid() {
        config.put("chat_template", "C");
        folder.put("chat_template.jinja", "J");
        TokenizerMetadata read = read();
        assertEquals(Optional.of("C"), text(read.metadata(), ""));
        assertEquals(
                List.of("chat_template.jinja differs from the chat template of tokenizer_config.json; the latter"
                        + " counts"),
                read.notes());
        folder.put("chat_template.jinja", "C");
        assertEquals(List.of(), read().notes());
    }

    @Test
    void theJsonFileComesLast() {
        folder.put("chat_template.json", "{\"chat_template\": \"J\"}");
        assertEquals(Optional.of("J"), text(read().metadata(), ""));
    }

    @Test
    void withoutAnyThereIsNoKey() {
        Metadata metadata = read().metadata();
        assertFalse(metadata.contains("tokenizer.chat_template"));
        assertFalse(metadata.contains("tokenizer.chat_templates"));
    }
}
