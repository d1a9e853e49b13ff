package io.sparkgguf.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.model.Model;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.model.RowOrder;
import io.sparkgguf.model.WeightSource;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.storage.MemoryStorage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import io.sparkgguf.tensor.Encoding;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.Shape;
import io.sparkgguf.tensor.TensorLocation;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ModelWeightsTest {
    private static final int COLUMNS = 256;
    private final MemoryStorage storage = new MemoryStorage();

    /** Every slice of rows is that of the whole tensor, wherever reads, parts and heads end. */
    @ParameterizedTest
    @CsvSource({
        "F32, 12, 1, 0, 4194304",
        "BF16, 12, 2, 0, 4194304",
        "F16, 16, 2, 8, 4194304",
        "BF16, 16, 1, 4, 1500",
        "Q4_K, 12, 3, 0, 300",
        "Q8_0, 16, 2, 4, 40",
        "Q4_K, 16, 2, 8, 1",
    })
    void reads_any_slice_of_rows(BlockType type, int rows, int parts, int headRows, int readBytes) throws IOException {
        float[] stored = new float[rows * COLUMNS];
        List<TensorLocation> locations = write(type, rows / parts, parts, stored);
        RowOrder order = new RowOrder(headRows);
        float[] expected = new float[stored.length];
        for (int row = 0; row < rows; row++) {
            System.arraycopy(stored, Math.toIntExact(order.sourceRow(row)) * COLUMNS, expected, row * COLUMNS, COLUMNS);
        }
        ModelTensor tensor =
                new ModelTensor("w.weight", Shape.of(rows, COLUMNS), new ModelTensor.Stored(locations, order));
        try (WeightSource source = copy(weights(readBytes, tensor)).open(storage)) {
            for (int first = 0; first <= rows; first++) {
                for (int end = first; end <= rows; end++) {
                    float[] read = new float[3 + (end - first) * COLUMNS];
                    source.rows("w.weight", first, end - first, read, 3);
                    float[] slice = new float[read.length];
                    System.arraycopy(expected, first * COLUMNS, slice, 3, read.length - 3);
                    assertArrayEquals(slice, read, "rows " + first + " to " + end);
                }
            }
        }
    }

    @Test
    void a_bias_is_regrouped_by_element() throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(32).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < 8; i++) {
            bytes.putFloat(i);
        }
        storage.put("b", bytes.array());
        TensorLocation location = new TensorLocation("q.bias", DType.F32, Shape.of(8), "b", 0, 32);
        ModelTensor tensor = new ModelTensor(
                "w.bias", Shape.of(8), new ModelTensor.Stored(List.of(location), RowOrder.interleaveHalves(4)));
        float[] read = new float[8];
        try (WeightSource source = weights(8, tensor).open(storage)) {
            source.rows("w.bias", 0, 1, read, 0);
        }
        assertArrayEquals(new float[] {0, 2, 1, 3, 4, 6, 5, 7}, read);
    }

    @Test
    void computed_values_are_a_tensor_like_others() throws IOException {
        ModelTensor tensor =
                new ModelTensor("rope_freqs.weight", Shape.of(3), new ModelTensor.Computed(new float[] {1, 2.5f, 8}));
        float[] read = new float[4];
        try (WeightSource source = copy(weights(8, tensor)).open(storage)) {
            assertTrue(source.has("rope_freqs.weight"));
            assertFalse(source.has("output.weight"));
            assertEquals(Shape.of(3), source.shape("rope_freqs.weight"));
            source.rows("rope_freqs.weight", 0, 1, read, 1);
        }
        assertArrayEquals(new float[] {0, 1, 2.5f, 8}, read);
    }

    @Test
    void what_is_not_there_is_refused() throws IOException {
        ModelTensor tensor = new ModelTensor("v", Shape.of(2, 2), new ModelTensor.Computed(new float[4]));
        try (WeightSource source = weights(8, tensor).open(storage)) {
            assertEquals(
                    "Cannot read tensor x: the model has none of this name",
                    assertThrows(IllegalArgumentException.class, () -> source.shape("x"))
                            .getMessage());
            assertEquals(
                    "Cannot read 2 rows of v from row 1: its shape is [2, 2]",
                    assertThrows(IllegalArgumentException.class, () -> source.rows("v", 1, 2, new float[4], 0))
                            .getMessage());
        }
    }

    @Test
    void a_type_without_a_decoder_is_refused_on_the_driver() {
        TensorLocation location = new TensorLocation("w.weight", BlockType.IQ2_XXS, Shape.of(1, 256), "m.gguf", 0, 66);
        ModelTensor tensor = new ModelTensor(
                "w.weight", Shape.of(1, 256), new ModelTensor.Stored(List.of(location), RowOrder.AS_STORED));
        assertEquals(
                "Cannot run the model: tensor w.weight of m.gguf is IQ2_XXS, which has no decoder here",
                assertThrows(InvalidInputException.class, () -> weights(8, tensor))
                        .getMessage());
    }

    private static ModelWeights weights(int readBytes, ModelTensor tensor) {
        return ModelWeights.of(new Model("llama", new Metadata(), List.of(tensor)), readBytes);
    }

    /** As a task gets it. */
    private static ModelWeights copy(ModelWeights weights) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(weights);
        }
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            return (ModelWeights) in.readObject();
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Random weights in a file for each part, behind bytes that are none of theirs; {@code decoded} gets what they are. */
    private List<TensorLocation> write(Encoding encoding, int rows, int parts, float[] decoded) {
        Random random = new Random(7);
        BlockFormat format = BlockFormats.of(encoding);
        int count = rows * COLUMNS;
        int length = Math.toIntExact(encoding.bytes(count));
        List<TensorLocation> locations = new ArrayList<>();
        for (int part = 0; part < parts; part++) {
            float[] weights = new float[count];
            for (int i = 0; i < count; i++) {
                weights[i] = (float) random.nextGaussian();
            }
            byte[] bytes = new byte[11 + length];
            random.nextBytes(bytes);
            format.encode(weights, 0, rows, COLUMNS, null, 0, bytes, 11);
            format.decode(bytes, 11, count, decoded, part * count);
            storage.put("part" + part, bytes);
            locations.add(
                    new TensorLocation("part" + part, encoding, Shape.of(rows, COLUMNS), "part" + part, 11, length));
        }
        return locations;
    }
}
