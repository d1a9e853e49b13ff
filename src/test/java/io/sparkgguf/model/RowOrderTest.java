package io.sparkgguf.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RowOrderTest {

    /** The definition: rows as [heads, 2, half], the two inner axes swapped, flattened. */
    @ParameterizedTest
    @CsvSource({"8, 32", "2, 64", "1, 2", "5, 6", "32, 128"})
    void interleaving_is_a_reshape_and_a_transposition(int heads, int headRows) {
        int half = headRows / 2;
        long[][][] stored = new long[heads][2][half];
        long row = 0;
        for (long[][] head : stored) {
            for (long[] part : head) {
                for (int i = 0; i < half; i++) {
                    part[i] = row++;
                }
            }
        }
        List<Long> expected = new ArrayList<>();
        for (long[][] head : stored) {
            for (int i = 0; i < half; i++) {
                for (int h = 0; h < 2; h++) {
                    expected.add(head[h][i]);
                }
            }
        }
        RowOrder order = RowOrder.interleaveHalves(headRows);
        assertEquals(
                expected,
                LongStream.range(0, (long) heads * headRows)
                        .map(order::sourceRow)
                        .boxed()
                        .toList());
        assertEquals(headRows, order.group());
    }

    @Test
    void rows_as_stored_stay() {
        assertEquals(1L << 40, RowOrder.AS_STORED.sourceRow(1L << 40));
        assertEquals(1, RowOrder.AS_STORED.group());
    }

    @ParameterizedTest
    @ValueSource(ints = {-2, 31})
    void a_head_has_two_halves(int headRows) {
        assertEquals(
                "Cannot interleave heads of " + headRows + " rows: must be even",
                assertThrows(IllegalArgumentException.class, () -> RowOrder.interleaveHalves(headRows))
                        .getMessage());
    }
}
