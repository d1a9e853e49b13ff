package io.sparkgguf.bench;

import io.sparkgguf.gptq.FactorPanels;
import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.gptq.HessianError;
import io.sparkgguf.gptq.HessianRows;
import io.sparkgguf.gptq.HessianSummary;
import io.sparkgguf.gptq.RowSolver;
import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.Gram;
import io.sparkgguf.linalg.InverseFactor;
import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.plan.CostModel;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.DType;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Measures what {@link CostModel} is made of, with its figures beside: time of one thread on a processor, the best of
 * several runs, so that other work on the machine counts little.
 *
 * <pre>
 * mvn -Pbench verify -Dbench.main=io.sparkgguf.bench.CostMeasurement -Dbench=
 * </pre>
 */
public final class CostMeasurement {
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final int RUNS = 7;
    private static final long WARM_NANOS = 1_000_000_000;
    private static final int ROWS = 64;
    private static final int COLUMNS = 4096;
    private static final int WEIGHTS = ROWS * COLUMNS;
    private static final double GIGA = 1e9;

    private final Random random = new Random(1);

    private CostMeasurement() {}

    private interface Work {
        void run() throws Exception;
    }

    /** See the class. */
    public static void main(String[] args) throws Exception {
        new CostMeasurement().all();
    }

    private void all() throws Exception {
        types();
        products();
        factor();
        solve();
        bytes();
    }

    /** Seconds on a processor of the fastest of some runs. */
    private static double best(Work work) throws Exception {
        long warm = System.nanoTime() + WARM_NANOS; // so that it is compiled
        while (System.nanoTime() < warm) {
            work.run();
        }
        double best = Double.MAX_VALUE;
        for (int run = 0; run < RUNS; run++) {
            long start = THREADS.getCurrentThreadCpuTime();
            work.run();
            best = Math.min(best, (THREADS.getCurrentThreadCpuTime() - start) / GIGA);
        }
        return best;
    }

    private static void print(String what, double measured, double model, String unit) {
        System.out.printf(Locale.ROOT, "%-34s measured %9.3f  model %9.3f %s%n", what, measured, model, unit);
    }

    private float[] floats(int count, double deviation) {
        float[] x = new float[count];
        for (int i = 0; i < count; i++) {
            x[i] = (float) (deviation * random.nextGaussian());
        }
        return x;
    }

    /** What a unit does with a weight: decode the source, encode, decode, add up the error, hash. */
    private void types() throws Exception {
        float[] weights = floats(WEIGHTS, 0.02);
        float[] importance = floats(COLUMNS, 1);
        for (int i = 0; i < COLUMNS; i++) {
            importance[i] = importance[i] * importance[i] + 0.01f;
        }
        float[] decoded = new float[WEIGHTS];
        BlockFormat bf16 = BlockFormats.of(DType.BF16);
        byte[] stored = new byte[WEIGHTS * 2];
        bf16.encode(weights, 0, 1, WEIGHTS, null, 0, stored, 0);
        for (BlockType type : BlockType.values()) {
            BlockFormat format = BlockFormats.of(type);
            if (!format.encodes()) {
                continue;
            }
            byte[] blocks = new byte[Math.toIntExact(type.bytes(WEIGHTS))];
            for (boolean weighted : format.usesImportance() ? new boolean[] {false, true} : new boolean[] {false}) {
                double seconds = best(() -> {
                    bf16.decode(stored, 0, WEIGHTS, weights, 0);
                    format.encode(weights, 0, ROWS, COLUMNS, weighted ? importance : null, 0, blocks, 0);
                    format.decode(blocks, 0, WEIGHTS, decoded, 0);
                    new ErrorStats().add(weights, 0, decoded, 0, ROWS, COLUMNS);
                    format.firstNonFinite(blocks, 0, WEIGHTS / type.blockElements());
                    Digest.of(blocks, 0, blocks.length);
                });
                print(
                        type + (weighted ? ", importance" : ""),
                        seconds / WEIGHTS * GIGA,
                        CostModel.nanosPerWeight(type, false, weighted),
                        "ns a weight");
            }
        }
        for (BlockType type : List.of(BlockType.BF16, BlockType.Q4_K, BlockType.Q6_K)) {
            BlockFormat format = BlockFormats.of(type);
            byte[] blocks = new byte[Math.toIntExact(type.bytes(WEIGHTS))];
            format.encode(weights, 0, ROWS, COLUMNS, null, 0, blocks, 0);
            double seconds = best(() -> format.decode(blocks, 0, WEIGHTS, decoded, 0));
            print("decode " + type, seconds / WEIGHTS * GIGA, CostModel.DECODE_NANOS, "ns a weight");
        }
    }

    private void products() throws Exception {
        int tokens = 512;
        int rows = 512;
        int columns = 4096;
        float[] x = floats(tokens * columns, 1);
        float[] weights = floats(rows * columns, 0.02);
        float[] out = new float[tokens * rows];
        double seconds = best(() -> Gemm.multiplyTransposed(
                tokens, rows, columns, x, 0, columns, weights, 0, columns, false, out, 0, rows));
        print(
                "forward product",
                2.0 * tokens * rows * columns / seconds / GIGA,
                CostModel.PRODUCT_RATE / GIGA,
                "GFLOP/s");
        double[] tile = new double[512 * 512];
        double gram = best(() -> Gram.add(x, 0, tokens, columns, 0, 512, 1024, 512, tile, 512));
        print("Gram matrix", 2.0 * tokens * 512 * 512 / gram / GIGA, CostModel.GRAM_RATE / GIGA, "GFLOP/s");
    }

    private void factor() throws Exception {
        int n = 2048;
        double[] matrix = random.doubles((long) n * n, -0.5, 0.5).toArray();
        for (int i = 0; i < n; i++) {
            matrix[i * n + i] = n;
        }
        MemoryTiles h = MemoryTiles.ofSymmetric(matrix, n, 512);
        MemoryTiles r = new MemoryTiles(n, 512);
        double seconds = best(() -> InverseFactor.compute(h, r));
        print("factor of an inverse", 2.0 / 3 * n * n * n / seconds / GIGA, CostModel.FACTOR_RATE / GIGA, "GFLOP/s");
    }

    /** Two widths and two counts of sweeps part what grows with columns from what a weight takes anyway. */
    private void solve() throws Exception {
        for (BlockType type : List.of(BlockType.Q2_K, BlockType.Q3_K, BlockType.Q4_K, BlockType.Q5_K)) {
            for (int columns : new int[] {1024, 4096}) {
                for (int sweeps : new int[] {0, 1, 4}) {
                    int rows = 512;
                    double seconds = solve(type, rows, columns, sweeps);
                    print(
                            type + ", " + columns + " columns, " + sweeps + " sweeps",
                            seconds / rows / columns * GIGA,
                            solving(type, columns, sweeps),
                            "ns a weight");
                }
            }
        }
        int n = 4096;
        int rows = 512;
        float[] square = floats(n * n, 0.01);
        HessianRows hessian = new Matrix(square, n);
        List<float[]> changes =
                IntStream.range(0, 4).mapToObj(i -> floats(n * rows, 0.01)).toList();
        double seconds = best(() -> HessianError.ofRows(hessian, changes, rows));
        print("errors of four results", 4.0 * rows * n * n / seconds / GIGA, CostModel.SOLVE_RATE / GIGA, "GFLOP/s");
    }

    /** What the model says of solving alone: judging four results takes as many operations as four column loops. */
    private static double solving(BlockType type, int columns, int sweeps) {
        return CostModel.nanosPerWeight(type, false, true)
                + CostModel.nanosOfSolving(type, columns, sweeps, false, false)
                - 4.0 * columns / CostModel.SOLVE_RATE * GIGA;
    }

    private double solve(BlockType type, int rows, int n, int sweeps) throws Exception {
        float[] weights = floats(rows * n, 0.02);
        float[] square = floats(n * n, 0.01);
        for (int i = 0; i < n; i++) {
            square[i * n + i] = 1;
        }
        float[] importance = new float[n];
        for (int i = 0; i < n; i++) {
            importance[i] = 0.1f + random.nextFloat();
        }
        int[] order = IntStream.range(0, n).map(i -> (int) (i * 2731L % n)).toArray();
        HessianSummary summary = new HessianSummary(n, 1, 0, 0, order, importance, importance, importance, null);
        GptqOptions options = GptqOptions.DEFAULT.withSweeps(sweeps, sweeps > 0);
        Matrix matrix = new Matrix(square, n);
        RowSolver solver = new RowSolver(type, options, summary, matrix, matrix);
        byte[] blocks = new byte[Math.toIntExact(rows * type.bytes(n))];
        return best(() -> solver.solve(weights, 0, rows, blocks, 0));
    }

    /** A symmetric matrix by its upper half, and a triangular one that is that half. */
    private record Matrix(float[] values, int order) implements FactorPanels, HessianRows {
        @Override
        public void read(int firstRow, int rows, float[] into) {
            System.arraycopy(values, firstRow * order, into, 0, rows * order);
        }
    }

    private void bytes() throws Exception {
        byte[] bytes = new byte[32 << 20];
        random.nextBytes(bytes);
        double hash = best(() -> Digest.of(bytes, 0, bytes.length));
        print("digest", bytes.length / hash / GIGA, CostModel.DIGEST_RATE / GIGA, "GB/s");
        Path file = Files.createTempFile("spark-gguf-cost-", ".bin");
        try {
            double write = best(() -> Files.write(file, bytes));
            print("write a file", bytes.length / write / GIGA, CostModel.FILE_RATE / GIGA, "GB/s");
            double read = best(() -> Files.readAllBytes(file));
            print("read a file in the cache", bytes.length / read / GIGA, CostModel.FILE_RATE / GIGA, "GB/s");
        } finally {
            Files.delete(file);
        }
    }
}
