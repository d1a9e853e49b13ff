package io.sparkgguf.linalg;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The factor in rounds beside the factor in one piece, bit for bit, whatever the order in which steps of a round are done. */
class FactorRoundsTest {
    private static final long SEED = 11;

    private static double[] positiveDefinite(int n) {
        Random random = new Random(SEED);
        double[] h = new double[n * n];
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                h[i * n + j] = (i == j ? n : 0) + random.nextDouble(-1, 1);
            }
        }
        return h;
    }

    /** Tiles of a file system: each read is a copy, what was not written is not there, and both are remembered. */
    private static final class FileTiles implements Tiles {
        private final MemoryTiles tiles;
        private final Set<List<Integer>> there = new HashSet<>();
        private final Set<List<Integer>> read = new HashSet<>();
        private final Set<List<Integer>> written = new HashSet<>();

        FileTiles(int order, int tileSize) {
            tiles = new MemoryTiles(order, tileSize);
        }

        static FileTiles of(double[] h, int order, int tileSize) {
            FileTiles files = new FileTiles(order, tileSize);
            MemoryTiles source = MemoryTiles.ofSymmetric(h, order, tileSize);
            double[] tile = new double[tileSize * tileSize];
            for (int i = 0; i < source.count(); i++) {
                for (int j = i; j < source.count(); j++) {
                    source.read(i, j, tile);
                    files.write(i, j, tile);
                }
            }
            return files;
        }

        @Override
        public int order() {
            return tiles.order();
        }

        @Override
        public int tileSize() {
            return tiles.tileSize();
        }

        @Override
        public void read(int i, int j, double[] into) {
            assertTrue(there.contains(List.of(i, j)), () -> "tile " + i + ", " + j + " is read before it is written");
            read.add(List.of(i, j));
            tiles.read(i, j, into);
        }

        @Override
        public void write(int i, int j, double[] from) {
            there.add(List.of(i, j));
            written.add(List.of(i, j));
            tiles.write(i, j, from);
        }
    }

    private static FactorRounds.Matrices matrices(FileTiles h) {
        return new FactorRounds.Matrices(
                h,
                new FileTiles(h.order(), h.tileSize()),
                new FileTiles(h.order(), h.tileSize()),
                new FileTiles(h.order(), h.tileSize()));
    }

    /** Each step as a task of its own, which knows sizes and files only, in a random order; every third one twice. */
    private static void run(FactorRounds rounds, FactorRounds.Matrices matrices, long seed) throws Exception {
        Random random = new Random(seed);
        for (List<FactorRounds.Step> round : rounds.rounds()) {
            List<FactorRounds.Step> steps = new ArrayList<>(round);
            for (int i = 0; i < round.size(); i += 3) {
                steps.add(round.get(i));
            }
            Collections.shuffle(steps, random);
            for (FactorRounds.Step step : steps) {
                rounds.run(step, matrices);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1, 1, 1, 1",
        "1, 4, 2, 3, 1",
        "7, 3, 1, 1, 1",
        "33, 40, 4, 2, 2",
        "64, 8, 2, 3, 1",
        "65, 8, 3, 1, 4",
        "150, 37, 2, 2, 3",
        "150, 10, 4, 2, 20",
        "40, 1, 7, 3, 5",
        "300, 32, 1, 4, 2",
        "700, 130, 2, 1, 2"
    })
    void hasTheBitsOfTheFactorInOnePiece(int order, int tileSize, int panel, int group, int inverted) throws Exception {
        double[] h = positiveDefinite(order);
        MemoryTiles expected = new MemoryTiles(order, tileSize);
        InverseFactor.compute(MemoryTiles.ofSymmetric(h, order, tileSize), expected);
        FactorRounds rounds = new FactorRounds(order, tileSize, panel, group, inverted);
        for (long seed = SEED; seed < SEED + 3; seed++) {
            FactorRounds.Matrices matrices = matrices(FileTiles.of(h, order, tileSize));
            run(rounds, matrices, seed);
            double[] mine = new double[tileSize * tileSize];
            double[] theirs = new double[tileSize * tileSize];
            for (int i = 0; i < expected.count(); i++) {
                for (int j = i; j < expected.count(); j++) {
                    matrices.r().read(i, j, mine);
                    expected.read(i, j, theirs);
                    assertArrayEquals(theirs, mine, "tile " + i + ", " + j + ", seed " + seed);
                }
            }
        }
    }

    /** What a retried step, or a copy of it that comes late, reads must still be there. */
    @Test
    void noStepWritesWhatOneOfItsRoundReads() throws Exception {
        FactorRounds rounds = new FactorRounds(90, 8, 3, 2, 2);
        FileTiles h = FileTiles.of(positiveDefinite(90), 90, 8);
        FactorRounds.Matrices matrices = matrices(h);
        h.written.clear();
        for (List<FactorRounds.Step> round : rounds.rounds()) {
            List<FileTiles> all =
                    List.of(h, (FileTiles) matrices.ahead(), (FileTiles) matrices.u(), (FileTiles) matrices.r());
            all.forEach(tiles -> tiles.read.clear());
            all.forEach(tiles -> tiles.written.clear());
            Set<Object> seen = new HashSet<>();
            for (FactorRounds.Step step : round) {
                assertTrue(seen.add(step), step + " is there once");
                List<Integer> before =
                        all.stream().map(tiles -> tiles.written.size()).toList();
                rounds.run(step, matrices);
                assertTrue(rounds.cost(step) > 0, () -> step + " costs something");
                List<Integer> after =
                        all.stream().map(tiles -> tiles.written.size()).toList();
                assertTrue(!before.equals(after), () -> step + " writes tiles that no other one writes");
            }
            for (FileTiles tiles : all) {
                Set<List<Integer>> both = new HashSet<>(tiles.read);
                both.retainAll(tiles.written);
                assertEquals(Set.of(), both, () -> "tiles that " + round.get(0) + " and others read and write");
            }
        }
        assertEquals(Set.of(), h.written);
    }

    /** Enough steps for many cores, and few rounds. */
    @Test
    void theRoundsOfALargeMatrixAreFewAndWide() {
        FactorRounds rounds = new FactorRounds(53_248, 512, 4, 1, 1);
        List<List<FactorRounds.Step>> all = rounds.rounds();
        assertEquals(2 * 26, all.size(), "two for each panel, the last one's has no columns behind it; one for X");
        double total = 0;
        double critical = 0;
        for (List<FactorRounds.Step> round : all) {
            total += round.stream().mapToDouble(rounds::cost).sum();
            critical += round.stream().mapToDouble(rounds::cost).max().orElseThrow();
        }
        double expected = Math.pow(53_248, 3) / 3;
        assertEquals(expected, total, 0.1 * expected, "multiply-subtracts of a factor and of an inverse");
        assertTrue(critical < total / 30, "critical path " + critical + " of " + total);
        assertTrue(rounds.memory() < 512L << 20, () -> "a step holds " + rounds.memory());
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "49, 0", "13, -2", "7, NaN", "40, Infinity"})
    void findsThePivotThatTheFactorInOnePieceFinds(int pivot, double value) {
        int order = 50;
        double[] h = new double[order * order];
        for (int i = 0; i < order; i++) {
            h[i * order + i] = i == pivot || i == 3 && pivot < 3 ? value : 4;
        }
        NotPositiveDefiniteException expected = assertThrows(
                NotPositiveDefiniteException.class,
                () -> InverseFactor.compute(MemoryTiles.ofSymmetric(h, order, 6), new MemoryTiles(order, 6)));
        NotPositiveDefiniteException e = assertThrows(
                NotPositiveDefiniteException.class,
                () -> run(new FactorRounds(order, 6, 2, 1, 1), matrices(FileTiles.of(h, order, 6)), SEED));
        assertEquals(expected.getMessage(), e.getMessage());
    }

    @Test
    void sizesThatCannotBeAreRefused() {
        assertEquals(
                "Cannot factor in rounds: order 8, tiles of 4, panels of 0, 1 columns solved and 1 inverted",
                assertThrows(IllegalArgumentException.class, () -> new FactorRounds(8, 4, 0, 1, 1))
                        .getMessage());
        FactorRounds rounds = new FactorRounds(8, 4, 1, 1, 1);
        FactorRounds.Matrices other = matrices(new FileTiles(9, 4));
        assertEquals(
                "Cannot run a step of order 8 and tiles of 4 on a matrix of 9 and 4",
                assertThrows(
                                IllegalArgumentException.class,
                                () -> rounds.run(rounds.rounds().get(0).get(0), other))
                        .getMessage());
    }
}
