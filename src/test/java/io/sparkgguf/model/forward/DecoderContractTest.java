package io.sparkgguf.model.forward;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.model.MemoryWeights;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a decoder promises besides its numbers, and what it refuses. */
class DecoderContractTest {
    private static final long SEED = 20261126;
    private static final int VOCABULARY = 50;

    private final Metadata metadata = RandomModel.metadata("qwen3", 2, 40, 72, 4, 2, 12);
    private final MemoryWeights weights = RandomModel.weights(metadata, VOCABULARY, SEED);

    private Decoder decoder() throws IOException {
        return new Decoder(RandomModel.config(metadata, weights), weights);
    }

    private static float[] run(Decoder decoder, int[] ids, int... ends) throws IOException {
        float[] hidden = new float[ids.length * decoder.width()];
        decoder.embed(ids, 0, ids.length, hidden);
        for (int block = 0; block < decoder.blocks(); block++) {
            decoder.block(block, hidden, ends, BlockObserver.NONE, null);
        }
        float[] logits = new float[ids.length * decoder.vocabulary()];
        decoder.logits(hidden, 0, ids.length, logits);
        return logits;
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen2", "qwen3"})
    void aSequenceDoesNotKnowItsBatch(String architecture) throws IOException {
        Metadata model = RandomModel.metadata(architecture, 2, 40, 72, 4, 2, 12);
        MemoryWeights source = RandomModel.weights(model, VOCABULARY, SEED);
        Decoder decoder = new Decoder(RandomModel.config(model, source), source);
        int[] ids = new Random(SEED).ints(1300, 0, VOCABULARY).toArray();
        int[] ends = {700, 701, 900, 1300};
        float[] together = run(decoder, ids, ends);
        int first = 0;
        for (int end : ends) {
            float[] alone = run(decoder, Arrays.copyOfRange(ids, first, end), end - first);
            assertArrayEquals(
                    Arrays.copyOfRange(together, first * VOCABULARY, end * VOCABULARY),
                    alone,
                    "sequence from " + first + " to " + end + ", seed " + SEED);
            first = end;
        }
    }

    @Test
    void theObserverSeesEachInputOnceAndInOrder() throws IOException {
        Decoder decoder = decoder();
        List<String> seen = new ArrayList<>();
        float[] hidden = new float[5 * 40];
        decoder.embed(new int[] {1, 2, 3, 4, 5}, 0, 5, hidden);
        decoder.block(
                1,
                hidden,
                new int[] {3, 5},
                (block, input, x, tokens, columns) ->
                        seen.add(block + " " + input + " " + tokens + " " + columns + " " + (x[0] != 0)),
                null);
        assertEquals(
                List.of(
                        "1 ATTENTION 5 40 true",
                        "1 ATTENTION_OUTPUT 5 48 true",
                        "1 FEED_FORWARD 5 40 true",
                        "1 FEED_FORWARD_DOWN 5 72 true"),
                seen);
    }

    @ParameterizedTest
    @EnumSource
    void stopsOnceTheInputWasSeen(LinearInput until) throws IOException {
        List<LinearInput> seen = new ArrayList<>();
        float[] hidden = new float[40];
        Arrays.fill(hidden, 1);
        decoder().block(0, hidden, new int[] {1}, (block, input, x, tokens, columns) -> seen.add(input), until);
        assertEquals(List.of(LinearInput.values()).subList(0, until.ordinal() + 1), seen);
    }

    @Test
    void inputsKnowTheirTensors() {
        assertEquals(
                List.of("blk.7.attn_q.weight", "blk.7.attn_k.weight", "blk.7.attn_v.weight"),
                LinearInput.ATTENTION.tensors(7));
        for (LinearInput input : LinearInput.values()) {
            for (String tensor : input.tensors(3)) {
                assertEquals(input, LinearInput.of(tensor).orElseThrow());
            }
        }
        assertTrue(LinearInput.of("blk.0.attn_norm.weight").isEmpty());
        assertTrue(LinearInput.of("blk.0.attn_q.bias").isEmpty());
        assertTrue(LinearInput.of("output.weight").isEmpty());
    }

    @ParameterizedTest
    @CsvSource({
        "blk.1.attn_norm.weight, NaN, blk.1.attn_q.weight",
        "blk.1.attn_v.weight, Infinity, blk.1.attn_output.weight",
        "blk.1.attn_q.weight, NaN, blk.1.attn_output.weight",
        "blk.1.attn_output.weight, 1e30, blk.1.ffn_gate.weight",
        "blk.1.ffn_up.weight, -Infinity, blk.1.ffn_down.weight",
        "blk.1.ffn_down.weight, Infinity, output.weight",
    })
    void infinitiesAreNamed(String tensor, float value, String reader) throws IOException {
        Shape shape = weights.shape(tensor);
        float[] values = new float[(int) shape.elements()];
        weights.rows(tensor, 0, (int) shape.rows(), values, 0);
        Arrays.fill(values, 0, (int) shape.columns(), value);
        weights.put(tensor, shape, values);
        Decoder decoder = decoder();
        NonFiniteActivationException thrown =
                assertThrows(NonFiniteActivationException.class, () -> run(decoder, new int[] {4, 5, 6}, 3));
        String where = reader.equals("output.weight") ? "the output" : "block 1";
        assertTrue(
                thrown.getMessage()
                        .matches("Cannot run " + where + " of qwen3: the input of " + reader
                                + " is (NaN|-?Infinity) at token \\d of the batch, column \\d+"),
                thrown.getMessage());
        assertEquals(reader.equals("output.weight") ? -1 : 1, thrown.block());
        assertEquals(reader, thrown.tensor());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "blk.1.attn_q.weight | 60 | 40 | block 1 of qwen3: blk.1.attn_q.weight has 60 rows where 4 heads of 12 need 48",
                "blk.0.attn_v.weight | 48 | 40 | block 0 of qwen3: blk.0.attn_v.weight has 48 rows where 2 heads of 12 need 24",
                "blk.0.attn_output.weight | 40 | 40 | block 0 of qwen3: blk.0.attn_output.weight has rows of 40 where 4 heads of 12 need 48",
                "blk.0.ffn_down.weight | 40 | 70 | block 0 of qwen3: blk.0.ffn_down.weight has rows of 70 where the feed-forward width is 72",
                "blk.0.ffn_up.weight | 72 | 39 | block 0 of qwen3: blk.0.ffn_up.weight has rows of 39 where the width is 40",
                "blk.1.attn_k_norm.weight | 1 | 24 | block 1 of qwen3: blk.1.attn_k_norm.weight has the shape [1, 24] where a head has 12",
                "blk.1.attn_k.bias | 1 | 40 | block 1 of qwen3: blk.1.attn_k.bias has the shape [1, 40] where 2 heads of 12 need 24",
                "output.weight | 49 | 40 | qwen3: output.weight has 49 rows where the vocabulary has 50",
                "rope_freqs.weight | 1 | 12 | qwen3: rope_freqs.weight has the shape [1, 12] where a head has 6 pairs",
                "output_norm.weight | 2 | 40 | qwen3: output_norm.weight has the shape [2, 40] where the width is 40",
                "output.bias | 1 | 50 | qwen3: it has the tensor output.bias, which the forward pass does not know",
            })
    void shapesMustFit(String tensor, int rows, int columns, String message) {
        weights.put(tensor, Shape.of(rows, columns), new float[rows * columns]);
        assertEquals(
                "Cannot run " + message,
                assertThrows(InvalidInputException.class, this::decoder).getMessage());
    }

    @Test
    void noTensorMayBeMissing() {
        MemoryWeights without = new MemoryWeights();
        for (String name :
                List.of("token_embd.weight", "output.weight", "output_norm.weight", "blk.1.attn_norm.weight")) {
            Shape shape = weights.shape(name);
            without.put(name, shape, new float[(int) shape.elements()]);
        }
        assertEquals(
                "Cannot run block 0 of qwen3: blk.0.attn_norm.weight is missing",
                assertThrows(
                                InvalidInputException.class,
                                () -> new Decoder(RandomModel.config(metadata, without), without))
                        .getMessage());
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 50, Integer.MAX_VALUE})
    void tokensMustBeKnown(int id) throws IOException {
        Decoder decoder = decoder();
        assertEquals(
                "Cannot run qwen3 on token " + id + ", number 2: its vocabulary has 50",
                assertThrows(
                                InvalidInputException.class,
                                () -> decoder.embed(new int[] {0, 49, id}, 1, 2, new float[80]))
                        .getMessage());
    }

    @Test
    void embeddingsAreTheRows() throws IOException {
        int[] ids = {49, 0, 7, 7, 20, 19, 49};
        float[] hidden = new float[5 * 40];
        decoder().embed(ids, 2, 5, hidden);
        float[] row = new float[40];
        for (int i = 0; i < 5; i++) {
            weights.rows("token_embd.weight", ids[2 + i], 1, row, 0);
            assertArrayEquals(row, Arrays.copyOfRange(hidden, i * 40, i * 40 + 40), "token " + i);
        }
    }

    @Test
    void tiedEmbeddingsAreTheHead() throws IOException {
        float[] embedding = new float[VOCABULARY * 40];
        weights.rows("token_embd.weight", 0, VOCABULARY, embedding, 0);
        weights.put("output.weight", weights.shape("token_embd.weight"), embedding);
        int[] ids = {3, 1, 4, 1, 5};
        float[] untied = run(decoder(), ids, 5);
        DecoderConfig config =
                DecoderConfig.of("qwen3", metadata, name -> !name.equals("output.weight") && weights.has(name));
        assertTrue(config.tied());
        assertArrayEquals(untied, run(new Decoder(config, weights), ids, 5));
    }

    @Test
    void endsMustAscendAndHiddenMustHoldThem() throws IOException {
        Decoder decoder = decoder();
        assertEquals(
                "Cannot run a batch whose sequences end at [2, 2]: must ascend from 1",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> decoder.block(0, new float[80], new int[] {2, 2}, BlockObserver.NONE, null))
                        .getMessage());
        assertEquals(
                "Cannot run a batch of 3 tokens: their hidden state of 80 values is shorter than 3 * 40",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> decoder.block(0, new float[80], new int[] {3}, BlockObserver.NONE, null))
                        .getMessage());
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> decoder.block(2, new float[80], new int[] {2}, BlockObserver.NONE, null));
        assertEquals(
                "Cannot put the logits of 2 tokens, 50 each, into 99 values",
                assertThrows(IllegalArgumentException.class, () -> decoder.logits(new float[80], 0, 2, new float[99]))
                        .getMessage());
    }

    @ParameterizedTest
    @CsvSource({"500, 64, 160", "3000, 16, 600", "40, 640, 3400"})
    void saysHowMuchMemoryItHolds(int tokens, int width, int feedForward) throws IOException, IllegalAccessException {
        Metadata model = RandomModel.metadata("llama", 1, width, feedForward, 4, 2, 8);
        MemoryWeights source = RandomModel.weights(model, VOCABULARY, SEED);
        Decoder decoder = new Decoder(RandomModel.config(model, source), source);
        run(decoder, new Random(SEED).ints(tokens, 0, VOCABULARY).toArray(), tokens);
        long held = held(decoder);
        long said = decoder.memory(tokens);
        assertTrue(held <= said, held + " bytes, but said were " + said);
        assertTrue(held >= said / 2, held + " bytes, but said were " + said);
    }

    /** Bytes of all arrays of floats that an object and what it is made of hold, but for the weights. */
    private static long held(Object object) throws IllegalAccessException {
        long bytes = 0;
        for (Field field : object.getClass().getDeclaredFields()) {
            field.setAccessible(true);
            Object value = Modifier.isStatic(field.getModifiers()) ? null : field.get(object);
            if (value instanceof float[] floats) {
                bytes += (long) Float.BYTES * floats.length;
            } else if (value instanceof LinearLayers || value instanceof Attention || value instanceof RotaryTable) {
                bytes += held(value);
            }
        }
        return bytes;
    }
}
