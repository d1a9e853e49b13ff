package io.sparkgguf.bench;

import io.sparkgguf.gptq.FactorPanels;
import io.sparkgguf.gptq.GptqOptions;
import io.sparkgguf.gptq.HessianRows;
import io.sparkgguf.gptq.HessianSummary;
import io.sparkgguf.gptq.RowSolver;
import io.sparkgguf.tensor.BlockType;
import java.io.IOException;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The solve of a square matrix, encoding for scales included, without and with sweeps: seconds. The column loop is
 * {@code rows * columns²} floating-point operations, a sweep's gradients twice as many.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.SECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public class SolveBenchmark {
    @Param({"Q4_K", "Q3_K", "Q2_K"})
    public String type;

    @Param("4096")
    public int columns;

    @Param({"0", "1"})
    public int sweeps;

    private float[] weights;
    private float[] factor;
    private byte[] blocks;
    private RowSolver solver;

    @Setup
    public void fill() {
        Random random = new Random(1);
        int n = columns;
        weights = new float[n * n];
        factor = new float[n * n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                weights[i * n + j] = (float) (0.02 * random.nextGaussian());
                factor[i * n + j] = j < i ? 0 : j == i ? 1 : (float) (0.01 * random.nextGaussian());
            }
        }
        float[] importance = new float[n];
        for (int i = 0; i < n; i++) {
            importance[i] = 0.1f + random.nextFloat();
        }
        int[] order = IntStream.range(0, n).map(i -> (int) (i * 2731L % n)).toArray();
        HessianSummary summary = new HessianSummary(n, 1, 0, 0, order, importance, importance, importance, null);
        GptqOptions options = GptqOptions.DEFAULT.withSweeps(sweeps, sweeps > 0);
        BlockType block = BlockType.of(type).orElseThrow();
        solver = new RowSolver(block, options, summary, new Panels(factor, n), new Rows(factor, n));
        blocks = new byte[Math.toIntExact(n * block.bytes(n))];
    }

    @Benchmark
    public byte[] solve() throws IOException {
        solver.solve(weights, 0, columns, blocks, 0);
        return blocks;
    }

    private record Panels(float[] factor, int order) implements FactorPanels {
        @Override
        public void read(int firstRow, int rows, float[] into) {
            System.arraycopy(factor, firstRow * order, into, 0, rows * order);
        }
    }

    /** The factor's upper triangle mirrored: it need not be its Hessian for the time to be the same. */
    private record Rows(float[] factor, int order) implements HessianRows {
        @Override
        public void read(int firstRow, int rows, float[] into) {
            for (int i = 0; i < rows; i++) {
                int row = firstRow + i;
                for (int j = 0; j < order; j++) {
                    into[i * order + j] = factor[Math.min(row, j) * order + Math.max(row, j)];
                }
            }
        }
    }
}
