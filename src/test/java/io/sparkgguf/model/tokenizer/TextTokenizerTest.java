package io.sparkgguf.model.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.io.InputStream;
import org.junit.jupiter.api.Test;

class TextTokenizerTest {
    private static byte[] natural() throws IOException {
        try (InputStream in = TextTokenizerTest.class.getResourceAsStream("/models/docs-lm/tokenizer.json")) {
            return in.readAllBytes();
        }
    }

    private static TextTokenizer open(ObjectNode json) throws IOException {
        return TextTokenizer.open(new Folder().put("tokenizer.json", json).files());
    }

    @Test
    void idsComeWithTheirPlacesAndNothingIsAdded() throws IOException {
        ObjectNode json = (ObjectNode) Folder.JSON.readTree(natural());
        int a = json.at("/model/vocab").get("a").intValue();
        try (TextTokenizer tokenizer = open(json)) {
            // a letter, two tokens for one character outside the first plane at least, a special token, a letter
            TextTokenizer.Encoded encoded = tokenizer.encode("a\uD83D\uDE00<|end_of_text|>a");
            int last = encoded.ids().length - 1;
            assertTrue(last >= 3, "tokens");
            assertEquals(a, encoded.ids()[0]);
            assertEquals(4095, encoded.ids()[last - 1]);
            assertEquals(a, encoded.ids()[last]);
            for (int i = 1; i < last - 1; i++) {
                assertEquals(1, encoded.starts()[i]);
                assertEquals(2, encoded.ends()[i]);
            }
            assertEquals(2, encoded.starts()[last - 1]);
            assertEquals(17, encoded.starts()[last]);
            assertEquals(18, encoded.ends()[last]);
            assertArrayEquals(encoded.ids(), tokenizer.ids("a\uD83D\uDE00<|end_of_text|>a"));
            assertArrayEquals(new int[0], tokenizer.ids(""));
        }
    }

    @Test
    void aTokenizerThatCutsAndPadsDoesNeither() throws IOException {
        ObjectNode json = (ObjectNode) Folder.JSON.readTree(natural());
        int[] expected;
        try (TextTokenizer tokenizer = open(json)) {
            expected = tokenizer.ids("one two three four");
        }
        json.set(
                "truncation",
                Folder.json("{`direction`: `Right`, `max_length`: 2, `strategy`: `LongestFirst`, `stride`: 0}"));
        json.set(
                "padding",
                Folder.json("{`strategy`: {`Fixed`: 99}, `direction`: `Right`, `pad_to_multiple_of`: null, `pad_id`: 0,"
                        + " `pad_type_id`: 0, `pad_token`: `a`}"));
        try (TextTokenizer tokenizer = open(json)) {
            assertTrue(expected.length > 2 && expected.length < 99, "length");
            assertArrayEquals(expected, tokenizer.ids("one two three four"));
        }
    }

    @Test
    void aFolderWithoutTheFileOrWithADamagedOneIsRefused() {
        InvalidInputException missing =
                assertThrows(InvalidInputException.class, () -> TextTokenizer.open(new Folder().files()));
        assertEquals(
                "Cannot tokenize text: the tokenizer's folder has no tokenizer.json (transformers writes one:"
                        + " AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER))",
                missing.getMessage());
        InvalidInputException damaged = assertThrows(
                InvalidInputException.class,
                () -> TextTokenizer.open(
                        new Folder().put("tokenizer.json", "{\"model\": 5}").files()));
        assertTrue(damaged.getMessage().startsWith("Cannot use tokenizer.json: "), damaged.getMessage());
    }
}
