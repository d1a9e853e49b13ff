package io.sparkgguf.calibrate.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The tokens that llama-perplexity b10572 runs the same model on, as {@code --save-all-logits} writes them; it stores
 * the first token of each chunk as the text has it, but runs the one that begins text, which the digests have in its place.
 */
class LlamaParityTest {
    @ParameterizedTest
    @CsvSource({
        "samples-eval.txt, 50, 48314df3ebdb6bbb83d462817da0b05cc1d16e6c3c33eff14f91054842ae0a3b",
        "samples-calibration.txt, 199, 7b1d44a796607c6ae554289ba8268179e38a94bacfdbe7faf0e5df8d382b37ce"
    })
    void idsAreThoseOfLlamaPerplexity(String file, int chunks, String sha256) throws Exception {
        TokenSequences sequences =
                new TestModel().put(file, TestModel.resource(file)).llama(file, 512);
        assertEquals(chunks, sequences.count());
        byte[] ids = TestModel.int32(sequences.tokens());
        assertEquals(
                sha256,
                HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(ids)));
        assertEquals(0, sequences.masked().cardinality());
    }

    @Test
    void theFinalLineFeedIsLeftOutAndOnlyTheFinalOne() throws IOException {
        TestModel model = new TestModel().put("a.txt", "one two three\n\n").put("b.txt", "one two three\n");
        TokenSequences two = model.llama("a.txt", 2);
        TokenSequences one = model.llama("b.txt", 2);
        assertEquals(two.documentTokens(), one.documentTokens() + 1);
        assertEquals(model.put("c.txt", "one two three").llama("c.txt", 2).digest(), one.digest());
    }

    @Test
    void filesAreOneTextThatIsBegunOnce() throws IOException {
        TestModel model = new TestModel();
        model.put("ids/a.bin", TestModel.int32(1, 2, 3)).put("ids/b.bin", TestModel.int32(4, 5, 6, 7));
        TokenSequences sequences =
                model.read(TextSettings.llama("evaluate", List.of("ids/a.bin", "ids/b.bin"), null, 3));
        assertArrayEquals(new int[] {TestModel.BOS, 2, 3, TestModel.BOS, 5, 6}, sequences.tokens());
        assertArrayEquals(new int[] {3, 6}, sequences.ends());
        assertEquals(2, sequences.documents());
        assertEquals(7, sequences.documentTokens());
    }
}
