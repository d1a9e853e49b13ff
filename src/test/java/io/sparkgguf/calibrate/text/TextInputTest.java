package io.sparkgguf.calibrate.text;

import static io.sparkgguf.calibrate.text.TestModel.int32;
import static io.sparkgguf.calibrate.text.TestModel.safetensors;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.MetadataValue;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every kind of file that is read, and what of it is refused. */
class TextInputTest {
    private TestModel model;

    @BeforeEach
    void makeModel() throws IOException {
        model = new TestModel();
    }

    private void refuses(String message, String file) {
        assertEquals(
                message,
                assertThrows(InvalidInputException.class, () -> model.packed(2, 0, 0, file))
                        .getMessage());
    }

    @Test
    void allKindsOfTheSameTextGiveTheSameTokens() throws IOException {
        model.put("a.txt", "The same\ntext.");
        TokenSequences plain = model.packed(2, 0, 0, "a.txt");
        model.put("a.jsonl", "\uFEFF\n  \r\n{\"id\": 3, \"text\": \"The same\\ntext.\"}\r\n");
        assertEquals(plain.digest(), model.packed(2, 0, 0, "a.jsonl").digest());
        model.metadata.putString("tokenizer.chat_template", "{{ messages[0].content + '\\n' + messages[1].content }}");
        model.put("b.jsonl", "{\"messages\": [{\"content\": \"The same\"}, {\"content\": \"text.\"}]}");
        assertEquals(plain.digest(), model.packed(2, 0, 0, "b.jsonl").digest());
        model.put("any.name", "The same\ntext.");
        assertEquals(plain.digest(), model.packed(2, 0, 0, "any.name").digest());
    }

    @Test
    void theTemplateBeginsTextByItself() throws IOException {
        model.metadata.putString("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}");
        model.put("a.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": \"one two three\"}]}");
        model.put("a.txt", "one two three");
        assertEquals(
                model.packed(2, 0, 0, "a.txt").digest(),
                model.packed(2, 0, 0, "a.jsonl").digest());
    }

    @Test
    void binaryIsNoText() {
        model.put("nul.txt", new byte[] {'a', 'b', 0, 'c'});
        refuses("Cannot calibrate with nul.txt: byte 2 is NUL, so it is not text", "nul.txt");
        byte[] latin = "0123456789 caf\u00e9 au lait".getBytes(StandardCharsets.ISO_8859_1);
        refuses(
                "Cannot calibrate with l.txt: byte 14 begins no UTF-8 character, so it is not text",
                put("l.txt", latin));
        byte[] cut = Arrays.copyOf("abc\u00e9".getBytes(StandardCharsets.UTF_8), 4);
        refuses("Cannot calibrate with c.txt: byte 3 begins no UTF-8 character, so it is not text", put("c.txt", cut));
        byte[] line = "{\"text\": \"a\"}\n{\"text\": \"\u00e9\"}".getBytes(StandardCharsets.ISO_8859_1);
        refuses(
                "Cannot calibrate with c.jsonl: byte 24 begins no UTF-8 character, so it is not text",
                put("c.jsonl", line));
        // beyond the decoder's first buffers, in the middle of a character of three bytes
        byte[] far = "\u4e2d".repeat(50_000).getBytes(StandardCharsets.UTF_8);
        far[120_001] = 'x';
        refuses(
                "Cannot calibrate with far.txt: byte 120000 begins no UTF-8 character, so it is not text",
                put("far.txt", far));
    }

    private String put(String file, byte[] bytes) {
        model.put(file, bytes);
        return file;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '#',
            value = {
                "{\"text\": 5} # has neither text nor messages",
                "{\"messages\": []} # has neither text nor messages",
                "[1, 2] # is no JSON object",
                "{\"text\": \"a\"} {} # is not valid JSON, column 15: Trailing token (of type START_OBJECT) found after value",
                "{\"text\": \"\\ud800\"} # has half of a surrogate pair in its text",
                "{\"messages\": [{\"role\": \"user\"}]} # has messages, but the model has no chat template; give lines with text",
            })
    void aWrongLineIsNamed(String line, String reason) {
        model.put("a.jsonl", "{\"text\": \"fine\"}\n" + line + "\n");
        refuses("Cannot calibrate with a.jsonl: line 2 at byte 17 " + reason, "a.jsonl");
    }

    @Test
    void aConversationThatTheTemplateRefusesIsNamed() {
        model.metadata.putString("tokenizer.chat_template", "{{ raise_exception('No system role') }}");
        model.put("a.jsonl", "{\"messages\": [{\"role\": \"system\", \"content\": \"a\"}]}");
        refuses(
                "Cannot calibrate with a.jsonl: line 1 at byte 0 cannot be rendered by the model's chat template: the"
                        + " template says: No system role",
                "a.jsonl");
    }

    @ParameterizedTest
    @CsvSource({"I64, 8", "U64, 8", "I32, 4", "U32, 4", "I16, 2", "U16, 2", "I8, 1", "U8, 1"})
    void idsOfEveryWidthAreRead(String type, int bytes) throws IOException {
        ByteBuffer data = ByteBuffer.allocate(6 * bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < 6; i++) {
            data.position(i * bytes);
            data.put((byte) (20 * i));
        }
        model.put("a.safetensors", safetensors("whatever", type, "[6]", data.array()));
        assertArrayEquals(
                new int[] {0, 20, 40, 60, 80, 100},
                model.packed(3, 0, 0, "a.safetensors").tokens());
    }

    @Test
    void paddingIsLeftOutOfRows() throws IOException {
        int[] rows = {9, 9, 1, 2, 9, 3, 4, 5, 9, 9, 9, 9, 9, 9, 9};
        model.put("a.safetensors", safetensors("tokens", "I32", "[3,5]", int32(rows)));
        model.metadata.putU32("tokenizer.ggml.padding_token_id", 9);
        TokenSequences read = model.packed(2, 0, 0, "a.safetensors");
        assertEquals(2, read.documents());
        assertEquals(5, read.documentTokens());
        // the token that pads is the one that ends text: one of it stays
        model.metadata.putU32("tokenizer.ggml.eos_token_id", 9);
        assertEquals(7, model.packed(2, 0, 0, "a.safetensors").documentTokens());
        // in the middle of a row it is a token like others, and a lone row has no padding
        model.put("b.safetensors", safetensors("tokens", "I32", "[1,4]", int32(1, 9, 9, 2)));
        assertArrayEquals(
                new int[] {1, 9, 9, 2}, model.packed(4, 0, 0, "b.safetensors").tokens());
    }

    @Test
    void idsOfAnotherTokenizerAreRefused() {
        model.put("a.bin", int32(1, 2, 3, 4096));
        String reason =
                " is beyond the vocabulary of 4096; another tokenizer made it, or the file holds something else";
        refuses("Cannot calibrate with a.bin: token id 4096 at byte 12" + reason, "a.bin");
        refuses("Cannot calibrate with b.bin: token id -1 at byte 0" + reason, put("b.bin", int32(-1, 2)));
        byte[] wide = ByteBuffer.allocate(16)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(5)
                .putLong(-1)
                .array();
        put("u.safetensors", safetensors("tokens", "U64", "[2]", wide));
        String message = assertThrows(InvalidInputException.class, () -> model.packed(2, 0, 0, "u.safetensors"))
                .getMessage();
        assertTrue(message.contains("token id 18446744073709551615 at byte "), message);
    }

    @Test
    void filesThatHoldNoIdsAreRefused() {
        refuses(
                "Cannot calibrate with a.bin: it has 7 bytes, which is no whole number of int32 ids",
                put("a.bin", new byte[7]));
        refuses(
                "Cannot calibrate with f.safetensors: tensor 'x' is of F32, not of integers",
                put("f.safetensors", safetensors("x", "F32", "[2]", new byte[8])));
        refuses(
                "Cannot calibrate with r.safetensors: tensor 'x' has the shape [1, 1, 2], but ids are [tokens] or"
                        + " [documents, tokens]",
                put("r.safetensors", safetensors("x", "I32", "[1,1,2]", new byte[8])));
        byte[] two = ("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                        + "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}")
                .getBytes(StandardCharsets.UTF_8);
        byte[] file = ByteBuffer.allocate(8 + two.length + 2)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(two.length)
                .put(two)
                .array();
        refuses(
                "Cannot calibrate with t.safetensors: it holds 2 tensors, none of them called input_ids or tokens",
                put("t.safetensors", file));
    }

    @Test
    void aGgufModelNeedsATokenizerFolder() throws IOException {
        model.put("a.txt", "one two three four");
        InvalidInputException refusal = assertThrows(
                InvalidInputException.class,
                () -> CalibrationText.read(
                        model.storage,
                        model.metadata,
                        null,
                        TextSettings.llama("evaluate", List.of("a.txt"), null, 2)));
        assertEquals(
                "Cannot evaluate with a.txt: a GGUF model has no tokenizer.json to make tokens of text with; name the"
                        + " Hugging Face folder of its tokenizer with --tokenizer, or give token ids",
                refusal.getMessage());
        TextSettings named = TextSettings.llama("evaluate", List.of("a.txt"), TestModel.FOLDER, 2);
        assertEquals(
                model.llama("a.txt", 2).digest(),
                CalibrationText.read(model.storage, model.metadata, null, named).digest());
    }

    @Test
    void aTokenizerOfAnotherModelIsRefused() {
        model.put("a.txt", "one two three four");
        List<String> tokens = new java.util.ArrayList<>();
        MetadataValue.Strings own = (MetadataValue.Strings)
                model.metadata.get("tokenizer.ggml.tokens").orElseThrow();
        for (int i = 0; i < own.count(); i++) {
            tokens.add(i == 300 ? "another" : own.get(i));
        }
        model.metadata.putStrings("tokenizer.ggml.tokens", tokens);
        TextSettings settings = TextSettings.llama("evaluate", List.of("a.txt"), TestModel.FOLDER, 2);
        InvalidInputException refusal = assertThrows(
                InvalidInputException.class, () -> CalibrationText.read(model.storage, model.metadata, null, settings));
        assertEquals(
                "Cannot use tokenizer model: its token 300 is '" + own.get(300) + "', the model's is 'another'",
                refusal.getMessage());
        TextSettings nowhere = TextSettings.llama("evaluate", List.of("a.txt"), "nowhere", 2);
        assertEquals(
                "Cannot evaluate with a.txt: there is no tokenizer.json in nowhere to make tokens of text with; name"
                        + " another Hugging Face folder with --tokenizer, or give token ids",
                assertThrows(
                                InvalidInputException.class,
                                () -> CalibrationText.read(model.storage, model.metadata, null, nowhere))
                        .getMessage());
    }
}
