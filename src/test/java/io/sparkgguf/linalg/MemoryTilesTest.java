package io.sparkgguf.linalg;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryTilesTest {
    @Test
    void theUpperTrianglesTilesAreFilledWithZerosAndMirrored() {
        double[] matrix = {1, 2, 3, -1, 4, 5, -1, -1, 6}; // what is below the diagonal is not read
        MemoryTiles tiles = MemoryTiles.ofSymmetric(matrix, 3, 2);
        assertEquals(2, tiles.count());
        double[] tile = new double[4];
        assertTile(new double[] {1, 2, 2, 4}, tiles, 0, 0, tile);
        assertTile(new double[] {3, 0, 5, 0}, tiles, 0, 1, tile);
        assertTile(new double[] {6, 0, 0, 0}, tiles, 1, 1, tile);
        tiles.write(0, 1, new double[] {7, 8, 9, 10});
        assertEquals(9, tiles.get(1, 2));
        assertSame(tiles.look(0, 1, tile), tiles.look(0, 1, tile), "the tile itself");
        assertNotSame(tile, tiles.look(0, 1, tile));
    }

    private static void assertTile(double[] expected, MemoryTiles tiles, int i, int j, double[] tile) {
        tiles.read(i, j, tile);
        for (int at = 0; at < expected.length; at++) {
            assertEquals(expected[at], tile[at], "tile " + i + ", " + j + ", element " + at);
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 0", "-1, 0", "0, 2", "2, 2"})
    void tilesThatAreNotKeptAreRefused(int i, int j) {
        MemoryTiles tiles = new MemoryTiles(3, 2);
        IndexOutOfBoundsException e =
                assertThrows(IndexOutOfBoundsException.class, () -> tiles.read(i, j, new double[4]));
        assertEquals("tile (" + i + ", " + j + ") of the upper half of 2 × 2", e.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "1, 0", "5, 46341"})
    void sizesThatCannotBeAreRefused(int order, int tileSize) {
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> new MemoryTiles(order, tileSize));
        assertEquals(
                "Cannot hold tiles: order " + order + ", tile size " + tileSize + "; want 1 or more, 46340 at most",
                e.getMessage());
    }
}
