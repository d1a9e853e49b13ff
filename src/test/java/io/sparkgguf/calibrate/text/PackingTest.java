package io.sparkgguf.calibrate.text;

import static io.sparkgguf.calibrate.text.TestModel.BOS;
import static io.sparkgguf.calibrate.text.TestModel.int32;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.MetadataValue;
import java.io.IOException;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PackingTest {
    private TestModel model;

    @BeforeEach
    void makeModel() throws IOException {
        model = new TestModel();
    }

    /** Ten documents of five ids: 0 to 4, 10 to 14, ... 90 to 94. */
    private TestModel tenDocuments() {
        int[] ids = IntStream.range(0, 50).map(i -> i / 5 * 10 + i % 5).toArray();
        return model.put("ten.safetensors", TestModel.safetensors("input_ids", "I32", "[10,5]", int32(ids)));
    }

    @Test
    void theOrderOfASeedIsTheSameForEver() {
        // SplitMix64 of seed 1 gives 0x910a2dec89025cc1, 0xbeeb8da1658eec67, 0xf893a2eefb32555e, 0x71c18690ee42c90b;
        // these parts of 2^64, of 5, 4, 3 and 2, are places 2, 2, 2 and 0 to swap with places 4, 3, 2 and 1
        assertArrayEquals(new int[] {1, 0, 3, 4, 2}, SeededOrder.of(5, 1));
        assertArrayEquals(new int[] {0}, SeededOrder.of(1, 7));
        int[] many = SeededOrder.of(1000, 42);
        assertFalse(Arrays.equals(many, SeededOrder.of(1000, 43)));
        assertArrayEquals(
                IntStream.range(0, 1000).toArray(), Arrays.stream(many).sorted().toArray());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, -5, Long.MAX_VALUE})
    void documentsFollowTheOrderOfTheSeed(long seed) throws IOException {
        TokenSequences packed = tenDocuments().packed(5, 0, seed, "ten.safetensors");
        int[] order = SeededOrder.of(10, seed);
        for (int i = 0; i < 10; i++) {
            assertEquals(10 * order[i], packed.tokens()[5 * i], "seed " + seed);
        }
    }

    @Test
    void documentsAreJoinedWithoutAGapAndTheRestIsDropped() throws IOException {
        TokenSequences packed = tenDocuments().packed(8, 0, 3, "ten.safetensors");
        int[] order = SeededOrder.of(10, 3);
        int[] joined =
                IntStream.range(0, 48).map(i -> 10 * order[i / 5] + i % 5).toArray();
        assertArrayEquals(joined, packed.tokens());
        assertEquals(6, packed.count());
        assertEquals(50, packed.documentTokens());
        assertEquals(10, packed.documents());
    }

    @Test
    void theLastTokenOfEachDocumentIsMasked() throws IOException {
        TokenSequences packed = tenDocuments().packed(8, 0, 3, "ten.safetensors");
        BitSet expected = new BitSet();
        for (int i = 4; i < 48; i += 5) {
            expected.set(i);
        }
        assertEquals(expected, packed.masked());
        assertEquals(48 - 9, packed.unmasked());
    }

    @Test
    void aDocumentThatALimitCutHasNoEnd() throws IOException {
        model.put("a.bin", int32(IntStream.range(0, 100).toArray()));
        TokenSequences cut = model.packed(8, 20, 0, "a.bin");
        assertArrayEquals(IntStream.range(0, 16).toArray(), cut.tokens());
        assertEquals(0, cut.masked().cardinality());
        assertEquals(new BitSet(), model.packed(8, 96, 0, "a.bin").masked());
    }

    @Test
    void textIsBegunAsTheModelBeginsIt() throws IOException {
        model.put("a.jsonl", "{\"text\": \"one two\"}\n{\"text\": \"<|begin_of_text|>three\"}\n");
        int[] tokens = model.packed(2, 0, 0, "a.jsonl").tokens();
        assertEquals(2, Arrays.stream(tokens).filter(id -> id == BOS).count());
        model.metadata.put("tokenizer.ggml.add_bos_token", new MetadataValue.Bool(false));
        assertEquals(
                0,
                Arrays.stream(model.put("b.txt", "one two")
                                .packed(2, 0, 0, "b.txt")
                                .tokens())
                        .filter(id -> id == BOS)
                        .count());
        model.metadata.put("tokenizer.ggml.add_eos_token", new MetadataValue.Bool(true));
        int all = (int) model.packed(2, 0, 0, "b.txt").documentTokens();
        TokenSequences ended = model.packed(all, 0, 0, "b.txt");
        assertEquals(1, ended.masked().cardinality());
        assertEquals(TestModel.EOS, ended.tokens()[ended.masked().nextSetBit(0)]);
    }

    @Test
    void filesShareALimit() throws IOException {
        model.put("a.bin", ids(0, 100)).put("b.bin", ids(1000, 100)).put("c.bin", ids(2000, 100));
        assertEquals(Set.of(0, 1, 2), thousands(model.packed(10, 60, 5, "a.bin", "b.bin", "c.bin")));
        // the short one cannot give its share, the others make up for it
        model.put("b.bin", ids(1000, 3));
        TokenSequences made = model.packed(10, 200, 5, "a.bin", "b.bin", "c.bin");
        assertEquals(20, made.count());
    }

    private static byte[] ids(int from, int count) {
        return int32(IntStream.range(from, from + count).toArray());
    }

    private static Set<Integer> thousands(TokenSequences sequences) {
        Set<Integer> found = new HashSet<>();
        Arrays.stream(sequences.tokens()).forEach(id -> found.add(id / 1000));
        return found;
    }

    @Test
    void anotherSeedGivesOtherSequencesAndTheSameSeedTheSame() throws IOException {
        tenDocuments();
        long digest = model.packed(5, 0, 1, "ten.safetensors").digest();
        assertEquals(digest, model.packed(5, 0, 1, "ten.safetensors").digest());
        assertNotEquals(digest, model.packed(5, 0, 2, "ten.safetensors").digest());
    }

    @Test
    void tooLittleIsRefused() {
        model.put("few.bin", ids(0, 37)).put("none.txt", "").put("none.bin", new byte[0]);
        refuses("Cannot calibrate with few.bin: 37 tokens are less than one sequence of 512", 512, 0, "few.bin");
        refuses("Cannot calibrate with none.txt: there is no text in it", 512, 0, "none.txt");
        refuses("Cannot calibrate with none.bin and 1 more: there is no text in it", 512, 0, "none.bin", "none.txt");
        refuses("Cannot calibrate with 100 tokens: that is less than one sequence of 512", 512, 100, "few.bin");
        refuses("Cannot calibrate with sequences of 1 tokens: a sequence has 2 to 16777216", 1, 0, "few.bin");
        refuses("Cannot calibrate: no text is named", 512, 0);
    }

    private void refuses(String message, int length, long tokens, String... files) {
        InvalidInputException refusal =
                assertThrows(InvalidInputException.class, () -> model.packed(length, tokens, 0, files));
        assertEquals(message, refusal.getMessage());
    }

    @Test
    void windowsOfTokensReadNoFurtherThanNeeded() throws IOException {
        // the second half is no text at all, which only a reader that goes on would find out
        byte[] bytes = new byte[4 << 20];
        Arrays.fill(bytes, 0, 3 << 20, (byte) 'a');
        for (int i = 0; i < 3 << 20; i += 7) {
            bytes[i] = ' ';
        }
        model.put("half.txt", bytes);
        assertEquals(4, model.packed(16, 64, 0, "half.txt").count());
        InvalidInputException refusal =
                assertThrows(InvalidInputException.class, () -> model.packed(16, 0, 0, "half.txt"));
        assertEquals("Cannot calibrate with half.txt: byte 3145728 is NUL, so it is not text", refusal.getMessage());
    }
}
