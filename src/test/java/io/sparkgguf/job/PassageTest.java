package io.sparkgguf.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PassageTest {
    @Test
    void wholeSequencesUpToTheLimit() {
        int[] tokens = IntStream.range(0, 30).toArray();
        List<Passage> passages = Passage.cut(tokens, new int[] {4, 8, 11, 24, 27, 30}, 8);
        assertEquals(4, passages.size());
        assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5, 6, 7}, passages.get(0).tokens());
        assertArrayEquals(new int[] {4, 8}, passages.get(0).ends());
        assertArrayEquals(new int[] {8, 9, 10}, passages.get(1).tokens());
        assertArrayEquals(new int[] {13}, passages.get(2).ends(), "longer than the limit, so alone");
        assertArrayEquals(new int[] {3, 6}, passages.get(3).ends());
        assertEquals(24, passages.get(3).tokens()[passages.get(3).start(0)]);
        assertEquals(27, passages.get(3).tokens()[passages.get(3).start(1)]);
    }

    @Test
    void noSequencesNoPassages() {
        assertEquals(List.of(), Passage.cut(new int[0], new int[0], 8));
    }
}
