package io.sparkgguf.job.stage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.ArrayList;
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
        int[] items = IntStream.range(0, costs.size()).toArray();
        int[][] bundles = Bundles.of(items, costs::get, wanted);

        int[] all = Arrays.stream(bundles).flatMapToInt(Arrays::stream).sorted().toArray();
        assertArrayEquals(items, all, "seed " + seed);
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
            List<Integer> squares = Stage.of("squares", items, item -> item * item)
                    .cost(item -> item % 7)
                    .run(session, Progress.SILENT);
            assertEquals(items.stream().map(item -> item * item).toList(), squares);
            assertEquals(
                    List.of(),
                    Stage.of("nothing", List.<Integer>of(), item -> item).run(session, Progress.SILENT));
        }
    }

    @Test
    void aRefusalInATaskArrivesAsItWasThrown() {
        try (Session session = local()) {
            List<Integer> items = IntStream.range(0, 50).boxed().toList();
            InvalidInputException refusal = assertThrows(
                    InvalidInputException.class,
                    () -> Stage.of("refuse", items, item -> {
                                if (item == 31) {
                                    throw new InvalidInputException("Cannot use item 31: it is the one");
                                }
                                return item;
                            })
                            .run(session, Progress.SILENT));
            assertEquals("Cannot use item 31: it is the one", refusal.getMessage());
            IOException failure = assertThrows(
                    IOException.class,
                    () -> Stage.of("fail", items, item -> {
                                throw new IOException("Cannot read item " + 7 + ": the disk is gone");
                            })
                            .run(session, Progress.SILENT));
            assertEquals("Cannot read item 7: the disk is gone", failure.getMessage());
        }
    }

    @Test
    void whatIsKnownIsNotDoneAgainAndWhatIsLearnedIsToldOnce() throws IOException {
        List<Integer> learned = new ArrayList<>();
        Recall<Integer> recall = new Recall<>() {
            @Override
            public Integer known(int item) {
                return item % 3 == 0 ? -item : null;
            }

            @Override
            public void learned(int item, Integer result) {
                assertEquals(item * item, result);
                learned.add(item);
            }
        };
        try (Session session = local()) {
            List<Integer> items = IntStream.range(0, 100).boxed().toList();
            List<Integer> results = Stage.of("squares", items, item -> item * item)
                    .recall(recall)
                    .run(session, Progress.SILENT);
            assertEquals(
                    items.stream()
                            .map(item -> item % 3 == 0 ? -item : item * item)
                            .toList(),
                    results);
            assertEquals(
                    items.stream().filter(item -> item % 3 != 0).toList(),
                    learned.stream().sorted().toList());
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
