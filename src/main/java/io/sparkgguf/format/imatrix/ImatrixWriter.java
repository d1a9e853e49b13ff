package io.sparkgguf.format.imatrix;

import io.sparkgguf.format.gguf.GgufLayout;
import io.sparkgguf.format.gguf.GgufWriter;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Writes importance matrices as llama-imatrix does, in either format. Sums are asked for one matrix at a time, so that
 * they need not all be in memory.
 *
 * @param datasets what the statistics were collected on
 * @param chunkCount chunks of text
 * @param chunkSize tokens of a chunk, at least 1
 */
public record ImatrixWriter(List<String> datasets, int chunkCount, int chunkSize) {

    /**
     * What was collected for one weight.
     *
     * @param tensor the weight's name
     * @param columns values for each count
     * @param counts tokens seen by each expert; one count for a dense weight
     */
    public record Collected(String tensor, int columns, long[] counts) {
        public Collected {
            counts = counts.clone();
            if (columns < 1 || counts.length < 1 || Arrays.stream(counts).anyMatch(count -> count < 0)) {
                throw new IllegalArgumentException("Cannot write imatrix entry " + tensor + ": " + columns
                        + " columns, counts " + Arrays.toString(counts));
            }
        }

        @Override
        public long[] counts() {
            return counts.clone();
        }
    }

    /** Gives sums of squared inputs: one a column, for count number {@code index} of an entry. */
    public interface Sums {
        float[] of(String tensor, int index) throws IOException;
    }

    public ImatrixWriter {
        datasets = List.copyOf(datasets);
        if (chunkCount < 0 || chunkSize < 1) {
            throw new IllegalArgumentException(
                    "Cannot write an imatrix of " + chunkCount + " chunks of " + chunkSize + " tokens");
        }
    }

    /** Writes the GGUF format; entries come out in order of name. Does not close {@code out}. */
    public void writeGguf(OutputStream out, List<Collected> entries, Sums sums) throws IOException {
        List<Collected> sorted = sorted(entries);
        List<GgufLayout.Entry> tensors = new ArrayList<>();
        for (Collected entry : sorted) {
            int counts = entry.counts.length;
            // A dense weight's tensors have one dimension, as ggml writes them.
            tensors.add(new GgufLayout.Entry(
                    entry.tensor + ImatrixFile.SUMS_SUFFIX,
                    counts == 1 ? Shape.of(entry.columns) : Shape.of(counts, entry.columns),
                    BlockType.F32));
            tensors.add(new GgufLayout.Entry(
                    entry.tensor + ImatrixFile.COUNTS_SUFFIX,
                    counts == 1 ? Shape.of(1) : Shape.of(counts, 1),
                    BlockType.F32));
        }
        Metadata metadata = new Metadata()
                .putString("general.type", "imatrix")
                .putStrings(ImatrixFile.DATASETS, datasets)
                .putU32(ImatrixFile.CHUNK_COUNT, chunkCount)
                .putU32(ImatrixFile.CHUNK_SIZE, chunkSize);
        GgufWriter writer = new GgufWriter(out, GgufLayout.of(metadata, tensors));
        for (Collected entry : sorted) {
            for (int index = 0; index < entry.counts.length; index++) {
                byte[] bytes = littleEndian(sums(entry, index, sums));
                writer.write(bytes, 0, bytes.length);
            }
            float[] counts = new float[entry.counts.length];
            for (int index = 0; index < counts.length; index++) {
                counts[index] = entry.counts[index];
            }
            byte[] bytes = littleEndian(counts);
            writer.write(bytes, 0, bytes.length);
        }
        writer.finish();
    }

    /**
     * Writes the legacy format, which keeps one divisor for an entry and the last dataset only; entries come out in order
     * of name, those without any tokens not at all. Does not close {@code out}.
     *
     * @throws InvalidInputException when no entry has tokens, or an entry has too many values for the format
     */
    public void writeLegacy(OutputStream out, List<Collected> entries, Sums sums) throws IOException {
        List<Collected> seen = sorted(entries).stream()
                .filter(entry -> Arrays.stream(entry.counts).anyMatch(count -> count > 0))
                .toList();
        if (seen.isEmpty()) {
            throw new InvalidInputException("Cannot write a legacy imatrix: no entry has seen a token");
        }
        writeInt(out, seen.size());
        for (Collected entry : seen) {
            writeString(out, entry.tensor);
            long most = Arrays.stream(entry.counts).max().orElseThrow();
            int calls = Math.toIntExact((most + chunkSize - 1) / chunkSize);
            writeInt(out, calls);
            long values = (long) entry.columns * entry.counts.length;
            if (values > Integer.MAX_VALUE) {
                throw new InvalidInputException("Cannot write imatrix entry " + entry.tensor + " in the legacy format: "
                        + values + " values, at most " + Integer.MAX_VALUE + " fit");
            }
            writeInt(out, (int) values);
            for (int index = 0; index < entry.counts.length; index++) {
                out.write(littleEndian(scaled(sums(entry, index, sums), entry.counts[index], calls)));
            }
        }
        writeInt(out, chunkCount);
        writeString(out, datasets.isEmpty() ? "" : datasets.get(datasets.size() - 1));
        out.flush();
    }

    private static List<Collected> sorted(List<Collected> entries) {
        // by bytes, as C++ compares; String compares UTF-16 units, which differs beyond the basic plane only
        return entries.stream()
                .sorted(Comparator.comparing(
                        entry -> entry.tensor.getBytes(StandardCharsets.UTF_8), Arrays::compareUnsigned))
                .toList();
    }

    private static float[] sums(Collected entry, int index, Sums sums) throws IOException {
        float[] values = sums.of(entry.tensor, index);
        if (values.length != entry.columns) {
            throw new IllegalArgumentException("Cannot write imatrix entry " + entry.tensor + ": " + values.length
                    + " sums for " + entry.columns + " columns");
        }
        return values;
    }

    private static float[] scaled(float[] sums, long count, int calls) {
        float[] scaled = new float[sums.length];
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] = (count == 0 ? 1f : sums[i] / (float) count) * calls;
        }
        return scaled;
    }

    private static byte[] littleEndian(float[] values) {
        ByteBuffer bytes =
                ByteBuffer.allocate(Math.multiplyExact(4, values.length)).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return bytes.array();
    }

    private static void writeInt(OutputStream out, int value) throws IOException {
        out.write(ByteBuffer.allocate(4)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(value)
                .array());
    }

    private static void writeString(OutputStream out, String text) throws IOException {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        writeInt(out, utf8.length);
        out.write(utf8);
    }
}
