package io.sparkgguf.format.imatrix;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sparkgguf.format.gguf.GgufHeader;
import io.sparkgguf.format.gguf.GgufReader;
import io.sparkgguf.storage.BytesReader;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Shape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ImatrixWriterTest {
    private static final ImatrixWriter WRITER = new ImatrixWriter(List.of("a.txt", "b.txt"), 4, 512);
    private static final List<ImatrixWriter.Collected> ENTRIES = List.of(
            new ImatrixWriter.Collected("blk.1.ffn_up_exps.weight", 32, new long[] {700, 0, 1_300}),
            new ImatrixWriter.Collected("blk.0.attn_q.weight", 64, new long[] {2_048}),
            new ImatrixWriter.Collected("blk.0.never.weight", 8, new long[] {0, 0}));
    private static final ImatrixWriter.Sums SUMS = (tensor, index) -> {
        int columns = ENTRIES.stream()
                .filter(entry -> entry.tensor().equals(tensor))
                .findFirst()
                .orElseThrow()
                .columns();
        Random random = new Random(31L * tensor.hashCode() + index);
        float[] sums = new float[columns];
        for (int i = 0; i < columns; i++) {
            sums[i] = 1_000 * random.nextFloat();
        }
        return sums;
    };

    private static byte[] write(boolean legacy) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        if (legacy) {
            WRITER.writeLegacy(out, ENTRIES, SUMS);
        } else {
            WRITER.writeGguf(out, ENTRIES, SUMS);
        }
        return out.toByteArray();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void readsBackWhatItWrote(boolean legacy) throws IOException {
        BytesReader reader = new BytesReader("im", write(legacy));
        ImatrixFile imatrix = ImatrixFile.read(reader);
        assertEquals(legacy, imatrix.legacy());
        assertEquals(4, imatrix.chunkCount());
        assertEquals(legacy ? List.of("b.txt") : List.of("a.txt", "b.txt"), imatrix.datasets());
        assertEquals(legacy ? 2 : 3, imatrix.entries().size(), "the legacy format drops what has seen no token");
        for (ImatrixWriter.Collected entry : ENTRIES) {
            if (imatrix.entry(entry.tensor()).isEmpty()) {
                continue;
            }
            ImatrixEntry found = imatrix.entry(entry.tensor()).orElseThrow();
            for (int matrix = 0; matrix < entry.counts().length; matrix++) {
                float[] expected = SUMS.of(entry.tensor(), matrix);
                for (int i = 0; i < expected.length; i++) {
                    expected[i] = entry.counts()[matrix] == 0 ? 1 : expected[i] / entry.counts()[matrix];
                }
                float[] loaded = Importance.load(reader, found, entry.columns(), matrix);
                for (int i = 0; i < expected.length; i++) {
                    // The legacy format multiplies and divides by the number of calls.
                    assertEquals(expected[i], loaded[i], legacy ? 2e-7f * expected[i] : 0f, entry + " column " + i);
                }
            }
        }
    }

    @Test
    void writesTheTensorsThatLlamaImatrixWrites() throws IOException {
        GgufHeader header = GgufReader.read(new BytesReader("im", write(false)));
        Map<String, Shape> shapes = new java.util.LinkedHashMap<>();
        header.tensors().forEach(tensor -> shapes.put(tensor.name(), tensor.shape()));
        assertEquals(
                "{blk.0.attn_q.weight.in_sum2=[64], blk.0.attn_q.weight.counts=[1],"
                        + " blk.0.never.weight.in_sum2=[2, 8], blk.0.never.weight.counts=[2, 1],"
                        + " blk.1.ffn_up_exps.weight.in_sum2=[3, 32], blk.1.ffn_up_exps.weight.counts=[3, 1]}",
                shapes.toString());
        assertEquals(
                List.of("general.type", "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"),
                List.copyOf(header.metadata().asMap().keySet()));
        assertEquals(512, header.metadata().integer("imatrix.chunk_size").orElseThrow());
    }

    @Test
    void writesTheLegacyFileThatOneWritesByHand() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        // 700 tokens in chunks of 512: two calls, rounded up.
        new ImatrixWriter(List.of("d"), 2, 512)
                .writeLegacy(out, List.of(new ImatrixWriter.Collected("w", 1, new long[] {700, 0})), (tensor, index) ->
                        new float[] {350f});
        assertArrayEquals(
                new ImatrixBytes()
                        .i32(1)
                        .entry("w", 2, 350f / 700f * 2, 1f * 2)
                        .i32(2)
                        .string("d")
                        .bytes(),
                out.toByteArray());
    }

    @Test
    void refusesWhatCannotBeWritten() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertEquals(
                "Cannot write a legacy imatrix: no entry has seen a token",
                assertThrows(InvalidInputException.class, () -> WRITER.writeLegacy(out, List.of(ENTRIES.get(2)), SUMS))
                        .getMessage());
        assertEquals(
                "Cannot write tensor '" + "n".repeat(60)
                        + ".in_sum2': a tensor's name has 68 bytes, more than the 63 allowed",
                assertThrows(
                                InvalidInputException.class,
                                () -> WRITER.writeGguf(
                                        out,
                                        List.of(new ImatrixWriter.Collected("n".repeat(60), 1, new long[] {1})),
                                        (tensor, index) -> new float[1]))
                        .getMessage());
        assertEquals(
                "Cannot write imatrix entry w: 3 sums for 2 columns",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> WRITER.writeGguf(
                                        out,
                                        List.of(new ImatrixWriter.Collected("w", 2, new long[] {1})),
                                        (tensor, index) -> new float[3]))
                        .getMessage());
        assertThrows(IllegalArgumentException.class, () -> new ImatrixWriter.Collected("w", 2, new long[] {-1}));
        assertThrows(IllegalArgumentException.class, () -> new ImatrixWriter.Collected("w", 0, new long[] {1}));
        assertThrows(IllegalArgumentException.class, () -> new ImatrixWriter(List.of(), 1, 0));
    }
}
