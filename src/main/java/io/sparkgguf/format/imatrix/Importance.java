package io.sparkgguf.format.imatrix;

import io.sparkgguf.format.gguf.Quoted;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Loads the weights of columns that quantizers use: mean squares of a matrix's inputs, one a column. */
public final class Importance {
    private Importance() {}

    /**
     * The importance of one matrix: its sums of squares divided, in float32, by the number of tokens it has seen. A
     * matrix (an expert) that has seen none gets all ones.
     *
     * @param reader the open file that {@code entry} names
     * @param columns of the weight
     * @param matrix which of the weight's matrices, from 0
     * @return {@code columns} values, finite and not negative
     * @throws InvalidInputException when a value or a count is negative or not finite, naming tensor and column
     */
    public static float[] load(RangeReader reader, ImatrixEntry entry, int columns, int matrix) throws IOException {
        if (columns < 1 || matrix < 0 || (matrix + 1L) * columns > entry.values()) {
            throw new IllegalArgumentException("Cannot load importance of matrix " + matrix + " of " + columns
                    + " columns: entry " + Quoted.of(entry.tensor()) + " has " + entry.values() + " values");
        }
        if (entry.counts() > 1 && entry.values() / entry.counts() != columns) {
            throw new IllegalArgumentException(
                    "Cannot load importance of " + columns + " columns: entry " + Quoted.of(entry.tensor()) + " has "
                            + entry.values() + " values with " + entry.counts() + " counts");
        }
        float divisor = entry.legacy() ? entry.calls() : count(reader, entry, entry.counts() == 1 ? 0 : matrix);
        float[] importance = floats(reader, entry.valuesAt() + 4L * matrix * columns, columns);
        for (int column = 0; column < columns; column++) {
            float value = importance[column];
            if (!(value >= 0 && value <= Float.MAX_VALUE)) {
                throw new InvalidInputException("Cannot use imatrix " + reader.file() + ": the value of tensor "
                        + Quoted.of(entry.tensor()) + ", matrix " + matrix + ", column " + column + " is " + value);
            }
        }
        if (divisor > 0) {
            for (int column = 0; column < columns; column++) {
                importance[column] /= divisor;
            }
        } else if (!entry.legacy()) {
            Arrays.fill(importance, 1f);
        }
        return importance;
    }

    private static float count(RangeReader reader, ImatrixEntry entry, int index) throws IOException {
        float count = floats(reader, entry.countsAt() + 4L * index, 1)[0];
        if (!(count >= 0 && count <= Float.MAX_VALUE)) {
            throw new InvalidInputException("Cannot use imatrix " + reader.file() + ": count " + index + " of tensor "
                    + Quoted.of(entry.tensor()) + " is " + count);
        }
        // Counts are whole numbers of tokens; files merged by other tools may hold fractions, which round.
        return (float) Math.floor(count + 0.5);
    }

    static float[] floats(RangeReader reader, long offset, int count) throws IOException {
        byte[] bytes = new byte[Math.multiplyExact(4, count)];
        reader.readFully(offset, bytes, 0, bytes.length);
        float[] values = new float[count];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }
}
