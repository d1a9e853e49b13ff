package io.sparkgguf.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.model.WeightSource;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KeptWeightsTest {
    private static final int COLUMNS = 10;

    /** Weights by formula, and a note of each read. */
    private static final class Source implements WeightSource {
        private final List<String> reads = new ArrayList<>();
        private boolean closed;

        @Override
        public boolean has(String name) {
            return !name.equals("none");
        }

        @Override
        public Shape shape(String name) {
            return Shape.of(100, COLUMNS);
        }

        @Override
        public void rows(String name, long firstRow, int rows, float[] into, int at) {
            reads.add(name + firstRow);
            for (int i = 0; i < rows * COLUMNS; i++) {
                into[at + i] = name.hashCode() + firstRow * COLUMNS + i;
            }
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    /** Three passes over four slabs of 200 bytes. */
    @ParameterizedTest
    @CsvSource({"0, 12", "199, 12", "200, 10", "700, 6", "800, 4"})
    void readsAgainWhatIsNotAllowedToStay(long memory, int reads) throws IOException {
        Source source = new Source();
        try (KeptWeights kept = new KeptWeights(source, memory)) {
            for (int pass = 0; pass < 3; pass++) {
                for (String name : List.of("a", "b")) {
                    for (int row = 0; row < 10; row += 5) {
                        float[] found = new float[60];
                        float[] expected = new float[60];
                        kept.rows(name, row, 5, found, 7);
                        new Source().rows(name, row, 5, expected, 7);
                        assertArrayEquals(expected, found);
                        found[8] = -1; // the caller's own
                    }
                }
            }
        }
        assertEquals(reads, source.reads.size(), source.reads::toString);
        assertTrue(source.closed);
    }

    @Test
    void otherRowsAreReadAnew() throws IOException {
        Source source = new Source();
        KeptWeights kept = new KeptWeights(source, 1000);
        float[] found = new float[20];
        kept.rows("a", 0, 1, found, 0);
        kept.rows("a", 0, 2, found, 0);
        assertEquals("a".hashCode() + 19, found[19]);
        assertEquals(2, source.reads.size());
        assertTrue(kept.has("a") && !kept.has("none"));
        assertEquals(Shape.of(100, COLUMNS), kept.shape("a"));
    }
}
