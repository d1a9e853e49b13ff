package io.sparkgguf.job.stage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StageTest {
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void bundlesHoldEveryItemOnceTheCostliestFirst(long seed) {
        Random random = new Random(seed);
        List<Double> costs = random.doubles(1 + random.nextInt(500), 0, 1)
                .map(x -> x * x * x)
                .boxed()
                .toList();
        int wanted = 1 + random.nextInt(60);
        int[][] bundles = Stage.bundle(costs, cost -> cost, wanted);

        int[] all = Arrays.stream(bundles).flatMapToInt(Arrays::stream).sorted().toArray();
        assertArrayEquals(IntStream.range(0, costs.size()).toArray(), all, "seed " + seed);
        double share = costs.stream().mapToDouble(cost -> cost).sum() / wanted;
        double last = Double.MAX_VALUE;
        for (int[] bundle : bundles) {
            assertTrue(costs.get(bundle[0]) <= last, "seed " + seed);
            last = costs.get(bundle[0]);
            double sum = Arrays.stream(bundle).mapToDouble(costs::get).sum();
            assertTrue(bundle.length == 1 || sum <= share, "seed " + seed);
        }
    }

    @Test
    void resultsComeBackInTheOrderOfTheItems() throws IOException {
        try (Session session = local()) {
            List<Integer> items = IntStream.range(0, 300).boxed().toList();
            List<Integer> squares = Stage.run(
                    session.context(),
                    "squares",
                    items,
                    item -> item % 7,
                    item -> 1,
                    item -> item * item,
                    Progress.SILENT);
            assertEquals(items.stream().map(item -> item * item).toList(), squares);
            assertEquals(
                    List.of(),
                    Stage.run(
                            session.context(),
                            "nothing",
                            List.<Integer>of(),
                            item -> 1,
                            item -> 1,
                            item -> item,
                            Progress.SILENT));
        }
    }

    @Test
    void aRefusalInATaskArrivesAsItWasThrown() {
        try (Session session = local()) {
            List<Integer> items = IntStream.range(0, 50).boxed().toList();
            InvalidInputException refusal = assertThrows(
                    InvalidInputException.class,
                    () -> Stage.run(
                            session.context(),
                            "refuse",
                            items,
                            item -> 1,
                            item -> 1,
                            item -> {
                                if (item == 31) {
                                    throw new InvalidInputException("Cannot use item 31: it is the one");
                                }
                                return item;
                            },
                            Progress.SILENT));
            assertEquals("Cannot use item 31: it is the one", refusal.getMessage());
            IOException failure = assertThrows(
                    IOException.class,
                    () -> Stage.run(
                            session.context(),
                            "fail",
                            items,
                            item -> 1,
                            item -> 1,
                            item -> {
                                throw new IOException("Cannot read item " + 7 + ": the disk is gone");
                            },
                            Progress.SILENT));
            assertEquals("Cannot read item 7: the disk is gone", failure.getMessage());
        }
    }

    private static Session local() {
        System.setProperty("spark.master", "local[2]");
        try {
            return new Session("test");
        } finally {
            System.clearProperty("spark.master");
        }
    }
}
