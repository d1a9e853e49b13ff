package io.sparkgguf.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Gram matrices in vectors beside their scalar definition, and the definition beside plain sums. */
class GramTest {
    private static final long SEED = 20261125;

    private static float[] activations(int count) {
        Random random = new Random(SEED);
        float[] x = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = (float) (random.nextGaussian() * (i % 7 == 0 ? 100 : 1));
        }
        return x;
    }

    @ParameterizedTest
    @CsvSource({
        "1, 0, 1, 0, 1",
        "0, 0, 5, 2, 5",
        "3, 2, 7, 2, 7",
        "513, 0, 40, 0, 40",
        "1200, 5, 13, 20, 37",
        "700, 0, 12, 12, 64",
        "70, 30, 33, 0, 66",
        "10, 0, 420, 0, 420",
        "515, 1, 70, 1, 71"
    })
    void vectorsGiveTheBitsOfTheDefinition(int tokens, int rowAt, int rows, int columnAt, int columns) {
        int stride = Math.max(rowAt + rows, columnAt + columns) + 1;
        float[] x = activations(3 + Math.max(1, tokens) * stride);
        int ld = columns + 2;
        double[] tile = new double[rows * ld];
        double[] expected = new double[rows * ld];
        for (int call = 0; call < 2; call++) {
            Gram.add(x, 3, tokens, stride, rowAt, rows, columnAt, columns, tile, ld);
            GemmScalar.gram(x, 3, tokens, stride, rowAt, rows, columnAt, columns, expected, ld);
        }
        assertArrayEquals(expected, tile, "seed " + SEED);
    }

    @Test
    void theSumIsThatOfDoublesUpToTheRoundingOfAChunk() {
        int tokens = 3 * Gram.CHUNK + 17;
        int columns = 9;
        float[] x = activations(tokens * columns);
        double[] tile = new double[columns * columns];
        Gram.add(x, 0, tokens, columns, 0, columns, 0, columns, tile, columns);
        for (int i = 0; i < columns; i++) {
            for (int j = 0; j < columns; j++) {
                double sum = 0;
                double magnitude = 0;
                for (int t = 0; t < tokens; t++) {
                    double product = (double) x[t * columns + i] * x[t * columns + j];
                    sum += product;
                    magnitude += Math.abs(product);
                }
                assertEquals(sum, tile[i * columns + j], Gram.CHUNK * 0x1p-24 * magnitude, "element " + i + ", " + j);
            }
        }
    }

    /** A caller who cuts tokens at chunks, or columns anywhere, gets the same bits. */
    @Test
    void callsAndTilesMayBeCut() {
        int tokens = 2 * Gram.CHUNK + 5;
        int columns = 50;
        float[] x = activations(tokens * columns);
        double[] whole = new double[columns * columns];
        Gram.add(x, 0, tokens, columns, 0, columns, 0, columns, whole, columns);

        double[] cut = new double[columns * columns];
        Gram.add(x, 0, Gram.CHUNK, columns, 0, columns, 0, columns, cut, columns);
        Gram.add(x, Gram.CHUNK * columns, tokens - Gram.CHUNK, columns, 0, columns, 0, columns, cut, columns);
        assertArrayEquals(whole, cut, "tokens cut, seed " + SEED);

        double[] right = new double[20 * 30];
        Gram.add(x, 0, tokens, columns, 0, 20, 20, 30, right, 30);
        for (int i = 0; i < 20; i++) {
            for (int j = 0; j < 30; j++) {
                assertEquals(whole[i * columns + 20 + j], right[i * 30 + j], "element " + i + ", " + j);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 8, 9, 64, 77, 150})
    void halvesAddedAndThenMirroredAreTheWhole(int order) {
        int tokens = 30;
        int stride = order + 5;
        float[] x = activations(tokens * stride);
        double[] whole = new double[order * (order + 1)];
        double[] half = new double[order * (order + 1)];
        for (int call = 0; call < 3; call++) {
            Gram.add(x, 0, tokens, stride, 4, order, 4, order, whole, order + 1);
            Gram.addUpper(x, 0, tokens, stride, 4, order, half, order + 1);
        }
        Gram.mirror(half, order, order + 1);
        assertArrayEquals(whole, half, "seed " + SEED);
    }
}
