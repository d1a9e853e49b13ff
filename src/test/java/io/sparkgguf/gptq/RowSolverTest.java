package io.sparkgguf.gptq;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.GridFormats;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class RowSolverTest {
    private static final Layer LAYER = new Layer(12, 512, 700, Layer.SEED);

    static Stream<BlockType> types() {
        return Arrays.stream(BlockType.values()).filter(RowSolver::solves);
    }

    static Stream<GptqOptions> ways() {
        GptqOptions plain = GptqOptions.DEFAULT.withSweeps(0, false);
        GptqOptions grouped = plain.withOrder(ColumnOrder.GROUPED);
        return Stream.of(
                plain,
                plain.withOrder(ColumnOrder.NATURAL),
                plain.withDamping(Damping.CLASSIC),
                plain.withConditional(1),
                grouped.withScales(GptqOptions.Scales.DYNAMIC),
                plain.withSweeps(2, false),
                plain.withSweeps(1, true));
    }

    @Test
    void allTypesWithAGridAreSolved() {
        assertTrue(types().count() >= 14, () -> types().toList().toString());
        InvalidInputException refusal = assertThrows(
                InvalidInputException.class,
                () -> new RowSolver(BlockType.F16, GptqOptions.DEFAULT, summary(512), null, null));
        assertEquals("Cannot solve rows of F16: it has no grid", refusal.getMessage());
    }

    @ParameterizedTest
    @MethodSource("types")
    void beatsImportanceWeightedRoundingOnInputsItNeverSaw(BlockType type) throws IOException {
        double rounded = LAYER.error(LAYER.heldOut, rounded(type), type);
        double solved = LAYER.error(LAYER.heldOut, solve(type, GptqOptions.DEFAULT.withSweeps(0, false)), type);
        assertTrue(solved < rounded, () -> "seed " + Layer.SEED + ": solved " + solved + ", rounded " + rounded);
    }

    @ParameterizedTest
    @MethodSource("types")
    void sweepsLowerTheErrorFurther(BlockType type) throws IOException {
        GptqOptions options = GptqOptions.DEFAULT.withSweeps(0, false);
        HessianSummary summary = LAYER.factor(options).summary();
        double[] damped = LAYER.seen.clone();
        for (int i = 0; i < LAYER.columns; i++) {
            damped[i * LAYER.columns + i] += summary.ridge()[i];
        }
        double before = LAYER.error(damped, solve(type, options), type);
        double levels = LAYER.error(damped, solve(type, options.withSweeps(1, false)), type);
        double scales = LAYER.error(damped, solve(type, options.withSweeps(1, true)), type);
        assertTrue(levels < before, () -> "seed " + Layer.SEED + ": levels " + levels + ", before " + before);
        assertTrue(scales < levels, () -> "seed " + Layer.SEED + ": scales " + scales + ", levels " + levels);
    }

    @ParameterizedTest
    @MethodSource("ways")
    void slicesOfRowsAndLazyBlocksChangeNoByte(GptqOptions options) throws IOException {
        Layer.Factored factored = LAYER.factor(options);
        HessianRows hessian = TilePanels.hessian(LAYER.hessian(200));
        for (BlockType type : List.of(BlockType.Q3_K, BlockType.Q4_K, BlockType.Q4_0)) {
            int rowBytes = Math.toIntExact(type.bytes(LAYER.columns));
            byte[] whole = solve(type, options);
            for (int lazy : new int[] {8, 40, 256}) {
                RowSolver solver = new RowSolver(type, options, factored.summary(), factored.panels(), hessian, lazy);
                byte[] sliced = new byte[whole.length];
                for (int row = 0; row < LAYER.rows; ) {
                    int rows = Math.min(LAYER.rows - row, lazy == 8 ? 1 : 7);
                    solver.solve(LAYER.weights, row * LAYER.columns, rows, sliced, row * rowBytes);
                    row += rows;
                }
                assertArrayEquals(whole, sliced, type + " with lazy blocks of " + lazy + ", " + options);
            }
        }
    }

    /** Independent inputs: the limit of an ever larger damping. */
    @ParameterizedTest
    @MethodSource("types")
    void withoutDependentInputsTheBytesAreImportanceWeightedRoundings(BlockType type) throws IOException {
        double[] diagonal = new double[LAYER.seen.length];
        for (int i = 0; i < diagonal.length; i += LAYER.columns + 1) {
            diagonal[i] = LAYER.seen[i];
        }
        MemoryTiles hessian = MemoryTiles.ofSymmetric(diagonal, LAYER.columns, 128);
        for (GptqOptions options : ways().filter(way -> way.sweeps() == 0).toList()) {
            GptqOptions unconditional = options.withConditional(0);
            Layer.Factored factored = Layer.factor(hessian, LAYER.tokens, unconditional);
            RowSolver solver = new RowSolver(type, unconditional, factored.summary(), factored.panels(), null);
            byte[] blocks = new byte[size(type)];
            solver.solve(LAYER.weights, 0, LAYER.rows, blocks, 0);
            // formats that weigh a whole row may see a slice when scales are found in the loop
            if (options.scales() == GptqOptions.Scales.STATIC || type.blockElements() == 256) {
                assertArrayEquals(rounded(type), blocks, type + " " + options);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"Q2_K", "Q3_K", "Q4_K", "Q4_0"})
    void hugeDampingGivesImportanceWeightedRounding(BlockType type) throws IOException {
        Damping huge = new Damping(Damping.Rule.DIAG, 1e12, 0);
        GptqOptions options =
                GptqOptions.DEFAULT.withDamping(huge).withConditional(0).withSweeps(0, false);
        assertArrayEquals(rounded(type), solve(type, options));
    }

    @Test
    void targetsArePulledToAndGridsStay() throws IOException {
        Layer.Factored factored = LAYER.factor(GptqOptions.DEFAULT);
        RowSolver solver = solver(BlockType.Q4_0, GptqOptions.DEFAULT.withSweeps(0, false), factored);
        float[] target = LAYER.weights.clone();
        for (int i = 0; i < target.length; i++) {
            target[i] *= 0.9f;
        }
        byte[] blocks = new byte[size(BlockType.Q4_0)];
        solver.solve(LAYER.weights, 0, target, 0, LAYER.rows, blocks, 0);
        byte[] plain = solve(BlockType.Q4_0, GptqOptions.DEFAULT.withSweeps(0, false));
        assertEquals(scales(plain), scales(blocks));
        double ours = Layer.error(LAYER.seen, target, decode(BlockType.Q4_0, blocks), LAYER.rows, LAYER.columns);
        double theirs = Layer.error(LAYER.seen, target, decode(BlockType.Q4_0, plain), LAYER.rows, LAYER.columns);
        assertTrue(ours < theirs, ours + " " + theirs);
    }

    @Test
    void refusesWhatIsNoNumber() throws IOException {
        Layer.Factored factored = LAYER.factor(GptqOptions.DEFAULT);
        RowSolver solver = solver(BlockType.Q4_K, GptqOptions.DEFAULT, factored);
        float[] weights = LAYER.weights.clone();
        weights[LAYER.columns + 3] = Float.NaN;
        byte[] blocks = new byte[size(BlockType.Q4_K)];
        InvalidInputException weight =
                assertThrows(InvalidInputException.class, () -> solver.solve(weights, 0, LAYER.rows, blocks, 0));
        assertEquals("Cannot solve rows: the weight of row 1, column 3 is NaN", weight.getMessage());
        InvalidInputException target = assertThrows(
                InvalidInputException.class, () -> solver.solve(LAYER.weights, 0, weights, 0, LAYER.rows, blocks, 0));
        assertEquals("Cannot solve rows: the target of row 1, column 3 is NaN", target.getMessage());
        FactorPanels broken = new FactorPanels() {
            @Override
            public int order() {
                return LAYER.columns;
            }

            @Override
            public void read(int firstRow, int rows, float[] into) throws IOException {
                factored.panels().read(firstRow, rows, into);
                into[7] = Float.POSITIVE_INFINITY;
            }
        };
        RowSolver over = new RowSolver(BlockType.Q4_K, GptqOptions.DEFAULT, factored.summary(), broken, null);
        InvalidInputException factor =
                assertThrows(InvalidInputException.class, () -> over.solve(LAYER.weights, 0, LAYER.rows, blocks, 0));
        assertEquals("Cannot solve rows: the factor's element (0, 7) is Infinity", factor.getMessage());
    }

    /** A factor that makes errors grow without bound still gives blocks of finite weights, which the guard then refuses. */
    @ParameterizedTest
    @MethodSource("types")
    void errorsThatGrowWithoutBoundLeaveFiniteWeights(BlockType type) throws IOException {
        Layer.Factored factored = LAYER.factor(GptqOptions.DEFAULT);
        FactorPanels wild = new FactorPanels() {
            @Override
            public int order() {
                return LAYER.columns;
            }

            @Override
            public void read(int firstRow, int rows, float[] into) {
                for (int i = 0; i < rows * LAYER.columns; i++) {
                    into[i] = i % (LAYER.columns + 1) == firstRow ? 1 : 1e20f;
                }
            }
        };
        RowSolver solver = new RowSolver(
                type, GptqOptions.DEFAULT, factored.summary(), wild, TilePanels.hessian(LAYER.hessian(256)));
        byte[] blocks = new byte[size(type)];
        solver.solve(LAYER.weights, 0, LAYER.rows, blocks, 0);
        for (float weight : decode(type, blocks)) {
            assertTrue(Float.isFinite(weight), () -> "a weight is " + weight);
        }
    }

    @Test
    void refusesAHessianOfOtherColumns() {
        InvalidInputException refusal = assertThrows(
                InvalidInputException.class,
                () -> new RowSolver(BlockType.Q4_K, GptqOptions.DEFAULT, summary(96), null, null));
        assertEquals(
                "Cannot solve rows of Q4_K: 96 columns are no whole number of blocks of 256", refusal.getMessage());
    }

    private static HessianSummary summary(int columns) {
        return new HessianSummary(
                1,
                0,
                0,
                0,
                new int[columns],
                new float[columns],
                new float[columns],
                new float[columns],
                "nothing was seen");
    }

    private static RowSolver solver(BlockType type, GptqOptions options, Layer.Factored factored) {
        return new RowSolver(
                type, options, factored.summary(), factored.panels(), TilePanels.hessian(LAYER.hessian(256)));
    }

    private static byte[] solve(BlockType type, GptqOptions options) throws IOException {
        byte[] blocks = new byte[size(type)];
        solver(type, options, LAYER.factor(options)).solve(LAYER.weights, 0, LAYER.rows, blocks, 0);
        return blocks;
    }

    private static byte[] rounded(BlockType type) throws IOException {
        byte[] blocks = new byte[size(type)];
        solver(type, GptqOptions.DEFAULT, LAYER.factor(GptqOptions.DEFAULT))
                .round(LAYER.weights, 0, LAYER.rows, blocks, 0);
        return blocks;
    }

    private static int size(BlockType type) {
        return Math.toIntExact(LAYER.rows * type.bytes(LAYER.columns));
    }

    private static float[] decode(BlockType type, byte[] blocks) {
        float[] decoded = new float[LAYER.rows * LAYER.columns];
        BlockFormats.of(type).decode(blocks, 0, decoded.length, decoded, 0);
        return decoded;
    }

    private static List<Float> scales(byte[] blocks) {
        int groups = LAYER.rows * LAYER.columns / 32;
        float[] scales = new float[groups];
        GridFormats.of(BlockType.Q4_0)
                .orElseThrow()
                .readGrid(blocks, 0, LAYER.rows, LAYER.columns, scales, new float[groups]);
        List<Float> list = new ArrayList<>();
        for (float scale : scales) {
            list.add(scale);
        }
        return list;
    }
}
