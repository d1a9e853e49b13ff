package io.sparkgguf.bench;

import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.Q2K;
import io.sparkgguf.quant.Q4K;
import io.sparkgguf.quant.Q5K;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** The asymmetric K-quants in vectors beside their scalar definitions: weights per microsecond, Mweights per second. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(AsymmetricEncodeBenchmark.WEIGHTS)
@Fork(1)
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 5, time = 1)
public class AsymmetricEncodeBenchmark {
    static final int ROWS = 64;
    static final int COLUMNS = 4096;
    static final int WEIGHTS = ROWS * COLUMNS;

    @Param({"Q2_K", "Q4_K", "Q5_K"})
    public String type;

    @Param({"false", "true"})
    public boolean importance;

    @Param({"true", "false"})
    public boolean vector;

    private final float[] weights = new float[WEIGHTS];
    private float[] columns;
    private BlockFormat format;
    private byte[] blocks;

    @Setup
    public void fill() {
        Random random = new Random(1);
        for (int i = 0; i < WEIGHTS; i++) {
            weights[i] = (float) (0.02 * random.nextGaussian());
        }
        if (importance) {
            columns = new float[COLUMNS];
            for (int i = 0; i < COLUMNS; i++) {
                double z = random.nextGaussian();
                columns[i] = (float) (z * z);
            }
        }
        format = switch (type) {
            case "Q2_K" -> new Q2K(vector);
            case "Q4_K" -> new Q4K(vector);
            default -> new Q5K(vector);
        };
        blocks = new byte[Math.toIntExact(format.encoding().bytes(WEIGHTS))];
    }

    @Benchmark
    public byte[] encode() {
        format.encode(weights, 0, ROWS, COLUMNS, columns, 0, blocks, 0);
        return blocks;
    }
}
