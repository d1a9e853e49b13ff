package io.sparkgguf.bench;

import io.sparkgguf.kernel.Finite;
import io.sparkgguf.quant.ErrorStats;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** What is done to every weight besides encoding it: weights per microsecond, which is Mweights per second. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(MeasureBenchmark.WEIGHTS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class MeasureBenchmark {
    static final int ROWS = 16;
    static final int COLUMNS = 4096;
    static final int WEIGHTS = ROWS * COLUMNS;

    private final float[] original = new float[WEIGHTS];
    private final float[] decoded = new float[WEIGHTS];
    private final ErrorStats stats = new ErrorStats();

    @Setup
    public void fill() {
        Random random = new Random(1);
        for (int i = 0; i < WEIGHTS; i++) {
            original[i] = (float) (0.02 * random.nextGaussian());
            decoded[i] = (float) (original[i] + 0.001 * random.nextGaussian());
        }
    }

    @Benchmark
    public ErrorStats errorStats() {
        stats.add(original, 0, decoded, 0, ROWS, COLUMNS);
        return stats;
    }

    @Benchmark
    public int firstNonFinite() {
        return Finite.firstNonFinite(original, 0, WEIGHTS);
    }
}
