package io.sparkgguf.job;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.calibrate.HessianTiles;
import io.sparkgguf.calibrate.PanelFile;
import io.sparkgguf.calibrate.TileGrid;
import io.sparkgguf.gptq.ColumnOrder;
import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.gptq.HessianSummary;
import io.sparkgguf.model.forward.LinearInput;
import io.sparkgguf.storage.LocalStorage;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Hessians that are factored by many tasks beside the same ones factored by one: what solvers read has the same bits. */
class FactorStagesTest {
    private static final long SEED = 5;
    private static final int TILE = 64;
    private static final long TOKENS = 1_000_000;
    private static final LinearInput INPUT = LinearInput.FEED_FORWARD_DOWN;

    @TempDir
    private Path temporary;

    private final LocalStorage storage = new LocalStorage();
    private final List<String> stages = new ArrayList<>();

    /** Files and tasks of a block, with factors of more columns than {@code whole} made by many tasks. */
    private HessianTasks tasks(String name, GptqOptions options, int whole) throws IOException {
        CalibrationFolder folder = new CalibrationFolder(temporary.resolve(name).toString());
        for (LinearInput input : LinearInput.values()) {
            for (boolean heldOut : new boolean[] {false, true}) {
                storage.createFolder(folder.hessian(storage, 0, input, heldOut));
                storage.createFolder(folder.delta(storage, 0, input, heldOut));
            }
            storage.createFolder(folder.factor(storage, 0, input));
        }
        return new HessianTasks(storage, folder, 0, options, new CalibrationSettings.Work(1, TILE, 150_000, 1, whole));
    }

    private static void write(HessianTiles tiles, double[] matrix) throws IOException {
        TileGrid grid = tiles.grid();
        double[] tile = new double[grid.values()];
        for (int i = 0; i < grid.side(); i++) {
            for (int j = grid.begin(i); j < grid.end(i); j++) {
                Arrays.fill(tile, 0);
                for (int r = 0; r < grid.rows(i); r++) {
                    System.arraycopy(matrix, (i * TILE + r) * grid.order() + j * TILE, tile, r * TILE, grid.rows(j));
                }
                tiles.write(i, j, tile);
            }
        }
    }

    /** {@code strength} times a random symmetric matrix on top of a diagonal of different sizes; two columns are dead. */
    private static double[] hessian(int n, double strength, Random random) {
        double[] matrix = new double[n * n];
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                double value = i == j ? 1 + random.nextInt(50) : strength * random.nextDouble(-1, 1);
                boolean dead = i % 100 == 7 || j % 100 == 7;
                matrix[i * n + j] = dead ? 0 : value;
                matrix[j * n + i] = matrix[i * n + j];
            }
        }
        return matrix;
    }

    private static HessianTasks.FactorItem item(LinearInput input, int order) {
        return new HessianTasks.FactorItem(input, TileGrid.of(order, TILE), TOKENS, true, true, true);
    }

    private void write(HessianTasks tasks, HessianTasks.FactorItem item, double strength) throws IOException {
        Random random = new Random(SEED);
        int n = item.grid().order();
        for (boolean heldOut : new boolean[] {false, true}) {
            write(tasks.hessian(item.input(), item.grid(), heldOut), hessian(n, strength, random));
            write(
                    tasks.delta(item.input(), item.grid(), heldOut),
                    random.doubles((long) n * n).toArray());
        }
    }

    private List<HessianTasks.Factored> factor(HessianTasks tasks, HessianTasks.FactorItem... items)
            throws IOException {
        return factor(tasks, new Memory(Integer.MAX_VALUE), items);
    }

    private List<HessianTasks.Factored> factor(HessianTasks tasks, Memory memory, HessianTasks.FactorItem... items)
            throws IOException {
        stages.clear();
        return new FactorStages(tasks, "blk.0: factors", memory).run(List.of(items));
    }

    /** Does each stage's items in a random order, one of them twice, and remembers the results until it is ended. */
    private final class Memory implements FactorStages.Runner {
        private final Map<String, FactorTasks.Done> known = new HashMap<>();
        private final Random random = new Random(SEED);
        private int left;

        /** @param stages that it does before it ends, in the middle of the next one */
        Memory(int stages) {
            left = stages;
        }

        @Override
        public List<FactorTasks.Done> run(
                String name, String description, List<FactorTasks.Item> items, FactorTasks tasks) throws IOException {
            assertTrue(description.startsWith(name + ": "), description);
            List<FactorTasks.Item> order = new ArrayList<>(items);
            order.removeIf(item -> known.containsKey(item.label()));
            if (order.isEmpty()) {
                return items.stream().map(this::known).toList();
            }
            stages.add(name);
            order.add(order.get(random.nextInt(order.size())));
            Collections.shuffle(order, random);
            int end = left-- > 0 ? order.size() : order.size() / 2;
            for (FactorTasks.Item item : order.subList(0, end)) {
                assertTrue(tasks.cost(item) > 0 && FactorTasks.size(item) > 0, item::toString);
                known.put(item.label(), tasks.run(item));
            }
            if (left < 0) {
                throw new IOException("ended");
            }
            return items.stream().map(this::known).toList();
        }

        @Override
        public FactorTasks.Done known(FactorTasks.Item item) {
            return known.get(item.label());
        }

        @Override
        public void forget(List<FactorTasks.Item> items) {
            items.forEach(item -> known.remove(item.label()));
        }

        @Override
        public void release(String folder) {
            assertTrue(Files.exists(Path.of(folder)), folder);
        }
    }

    private static float[] rows(PanelFile file) throws IOException {
        float[] rows = new float[file.order() * file.order()];
        try (PanelFile.Reader reader = file.open()) {
            reader.read(0, file.order(), rows);
        }
        return rows;
    }

    private static void requireSame(
            HessianTasks.Factored whole, HessianTasks expected, HessianTasks.Factored spread, HessianTasks found)
            throws IOException {
        assertEquals(whole.after(0), spread.after(0));
        LinearInput input = whole.input();
        int n = whole.columns();
        HessianSummary a = expected.readSummary(whole, TOKENS);
        HessianSummary b = found.readSummary(spread, TOKENS);
        assertArrayEquals(a.order(), b.order());
        assertArrayEquals(a.importance(), b.importance());
        assertArrayEquals(a.conditional(), b.conditional());
        assertArrayEquals(a.ridge(), b.ridge());
        if (whole.fallback() != null) {
            return;
        }
        assertArrayEquals(rows(expected.factorPanels(input, n)), rows(found.factorPanels(input, n)), "factor");
        for (boolean heldOut : new boolean[] {false, true}) {
            assertArrayEquals(
                    rows(expected.hessianPanels(input, n, heldOut)), rows(found.hessianPanels(input, n, heldOut)));
            assertArrayEquals(
                    rows(expected.deltaPanels(input, n, heldOut)), rows(found.deltaPanels(input, n, heldOut)));
        }
    }

    /** What a speculative copy does to the task that it is a copy of: all of it, while that one is at any of its steps. */
    @Test
    void twoAttemptsAtATaskDoNotMeet() throws IOException {
        HessianTasks.FactorItem item = item(INPUT, 330);
        HessianTasks undisturbed = tasks("undisturbed", GptqOptions.DEFAULT, 10_000);
        write(undisturbed, item, 0.05);
        HessianTasks.Factored expected = undisturbed.factor(item);
        int steps = 0;
        for (boolean reached = true; reached; steps++) {
            HessianTasks copy = tasks("step-" + steps, GptqOptions.DEFAULT, 10_000);
            write(copy, item, 0.05);
            Interrupted at = new Interrupted(steps, () -> copy.factor(item));
            HessianTasks first = new HessianTasks(
                    at.storage(),
                    new CalibrationFolder(temporary.resolve("step-" + steps).toString()),
                    0,
                    GptqOptions.DEFAULT,
                    copy.work());
            HessianTasks.Factored found = first.factor(item);
            requireSame(expected.after(0), undisturbed, found.after(0), copy);
            reached = at.left < 0;
        }
        assertTrue(steps > 20, "the task renamed a file only " + steps + " times");
    }

    /** Local storage that does something before its n-th rename. */
    private static final class Interrupted {
        private final WholeFile.Action<?> action;
        private int left;

        Interrupted(int left, WholeFile.Action<?> action) {
            this.left = left;
            this.action = action;
        }

        Storage storage() {
            LocalStorage local = new LocalStorage();
            return (Storage) Proxy.newProxyInstance(
                    Storage.class.getClassLoader(), new Class<?>[] {Storage.class}, (proxy, method, arguments) -> {
                        if (method.getName().equals("scratch")) {
                            return proxy;
                        }
                        if (method.getName().equals("rename") && left-- == 0) {
                            action.run();
                        }
                        try {
                            return method.invoke(local, arguments);
                        } catch (InvocationTargetException e) {
                            throw e.getCause();
                        }
                    });
        }
    }

    @ParameterizedTest
    @EnumSource(ColumnOrder.class)
    void manyTasksMakeWhatOneMakes(ColumnOrder order) throws IOException {
        GptqOptions options = GptqOptions.DEFAULT.withOrder(order);
        HessianTasks.FactorItem large = item(INPUT, 330);
        HessianTasks.FactorItem other = item(LinearInput.FEED_FORWARD, 270);
        HessianTasks.FactorItem small = item(LinearInput.ATTENTION, 130);
        HessianTasks whole = tasks("whole", options, 10_000);
        HessianTasks spread = tasks("spread", options, 200);
        for (HessianTasks tasks : List.of(whole, spread)) {
            for (HessianTasks.FactorItem item : List.of(small, large, other)) {
                write(tasks, item, 0.05);
            }
        }
        List<HessianTasks.Factored> expected = factor(whole, small, large, other);
        assertEquals(1, stages.size(), () -> "small Hessians take one stage: " + stages);
        List<HessianTasks.Factored> found = factor(spread, small, large, other);
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(0, expected.get(i).raised());
            requireSame(expected.get(i), whole, found.get(i), spread);
        }
        // the diagonal, ordering, 6 panels of one row of tiles and what is behind them, the inverse, the rows
        int rounds = 1 + (order == ColumnOrder.NATURAL ? 0 : 2) + 2 * 6 - 1 + 1 + 1;
        assertEquals(rounds, stages.size(), stages::toString);
        assertEquals("blk.0: factors, round " + (rounds - 1), stages.get(rounds - 1));
        assertEquals(stages.size(), stages.stream().distinct().count(), "each has a name of its own");
        requireNothingIsLeft("spread");
    }

    private void requireNothingIsLeft(String name) {
        List<String> left = new ArrayList<>();
        collect(temporary.resolve(name).toFile(), left);
        left.removeIf(file -> !file.matches(".*-factor-(rows|ordered|upper|ahead).*"));
        assertEquals(List.of(), left);
    }

    private static void collect(File folder, List<String> into) {
        for (File file : folder.listFiles()) {
            into.add(file.getName());
            if (file.isDirectory()) {
                collect(file, into);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"4, false", "30, false", "4000, true"})
    void dampingIsRaisedAsInOneTask(double strength, boolean fails) throws IOException {
        HessianTasks.FactorItem item = item(INPUT, 300);
        HessianTasks whole = tasks("whole", GptqOptions.DEFAULT, 10_000);
        HessianTasks spread = tasks("spread", GptqOptions.DEFAULT, 250);
        write(whole, item, strength);
        write(spread, item, strength);
        HessianTasks.Factored expected = factor(whole, item).get(0);
        HessianTasks.Factored found = factor(spread, item).get(0);
        assertTrue(expected.raised() > 0, () -> "seed " + SEED + ": " + expected);
        assertEquals(fails, expected.fallback() != null, () -> "seed " + SEED + ": " + expected);
        requireSame(expected, whole, found, spread);
        requireNothingIsLeft("spread");
    }

    /** Wherever it is ended, the next run does the rest, and no more stages than were left but the one that was cut. */
    @ParameterizedTest
    @CsvSource({"0.05, 300", "4, 300"})
    void goesOnWhereItWasEnded(double strength, int order) throws IOException {
        HessianTasks.FactorItem item = item(INPUT, order);
        HessianTasks whole = tasks("whole", GptqOptions.DEFAULT, 10_000);
        write(whole, item, strength);
        HessianTasks.Factored expected = factor(whole, item).get(0);
        HessianTasks spread = tasks("spread", GptqOptions.DEFAULT, 250);
        write(spread, item, strength);
        Memory memory = new Memory(0);
        HessianTasks.Factored found = null;
        for (int ends = 0; found == null; ends++) {
            assertTrue(ends < 60, "it comes to an end");
            memory.left = 1; // does what was cut, then half of the next stage
            int known = memory.known.size();
            try {
                found = factor(spread, memory, item).get(0);
            } catch (IOException e) {
                assertEquals("ended", e.getMessage());
                boolean forgot = stages.stream().anyMatch(stage -> stage.contains("round"));
                assertTrue(forgot || memory.known.size() > known, stages::toString);
            }
        }
        requireSame(expected, whole, found, spread);
        requireNothingIsLeft("spread");
        assertTrue(new FactorStages(spread, "", memory).isDone(List.of(item)));
        assertEquals(expected.after(0), factor(spread, memory, item).get(0).after(0));
        assertEquals(List.of(), stages, "nothing is left to do");
    }

    @Test
    void whatIsLostIsMadeAgain() throws IOException {
        HessianTasks.FactorItem item = item(INPUT, 300);
        HessianTasks spread = tasks("spread", GptqOptions.DEFAULT, 250);
        write(spread, item, 0.05);
        Memory memory = new Memory(Integer.MAX_VALUE);
        HessianTasks.Factored expected = factor(spread, memory, item).get(0);
        float[] factor = rows(spread.factorPanels(INPUT, 300));
        for (List<String> lost : List.of(
                List.of("FACTOR_PANELS 1"),
                List.of("SUMMARY 0"),
                List.of("FACTOR_PANELS 0", "STEP INVERSE 0 0, raised 0"))) {
            for (String label : lost) {
                assertNotNull(memory.known.remove(INPUT.name() + " " + label), label);
            }
            assertFalse(new FactorStages(spread, "", memory).isDone(List.of(item)));
            assertEquals(expected.after(0), factor(spread, memory, item).get(0).after(0));
            assertArrayEquals(factor, rows(spread.factorPanels(INPUT, 300)), lost::toString);
        }
    }

    @Test
    void tokensThatSayNothingLeaveNoFactor() throws IOException {
        HessianTasks.FactorItem item = item(INPUT, 300);
        HessianTasks spread = tasks("spread", GptqOptions.DEFAULT, 250);
        for (boolean heldOut : new boolean[] {false, true}) {
            write(spread.hessian(INPUT, item.grid(), heldOut), new double[300 * 300]);
        }
        HessianTasks.Factored found = factor(spread, item).get(0);
        assertEquals("the Hessian of " + TOKENS + " tokens is all zeros", found.fallback());
        assertTrue(found.isDead());
        assertNotNull(spread.readSummary(found, TOKENS));
    }

    /** What a task holds of the largest Hessian known, 53,248 columns, and in how many stages it is factored. */
    @Test
    void theLargestHessianIsFactoredInFewStagesOfSmallTasks() {
        TileGrid grid = TileGrid.of(53_248, 512);
        CalibrationSettings.Work work = CalibrationSettings.Work.DEFAULT;
        assertTrue(FactorTasks.memory(grid, work) < 1L << 30, () -> "" + FactorTasks.memory(grid, work));
        assertTrue(FactorTasks.isSpread(grid, work));
        assertTrue(!FactorTasks.isSpread(TileGrid.of(4096, 512), work));
        assertTrue(!FactorTasks.isSpread(TileGrid.ofDiagonal(53_248), work), "of a diagonal there is no factor");
    }
}
