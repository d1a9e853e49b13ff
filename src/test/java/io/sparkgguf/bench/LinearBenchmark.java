package io.sparkgguf.bench;

import io.sparkgguf.quant.linear.LinearRounder;
import io.sparkgguf.quant.linear.LinearScheme;
import io.sparkgguf.quant.linear.SchemeName;
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

/** Rounding by linear schemes, their ranges found: weights per microsecond, which is Mweights per second. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(LinearBenchmark.WEIGHTS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class LinearBenchmark {
    static final int ROWS = 16;
    static final int COLUMNS = 4096;
    static final int WEIGHTS = ROWS * COLUMNS;

    @Param({"int8-row", "int4-g128", "int4-asym-g32", "int4-row-p99.9", "int4-row-mse", "int4-g128-mse", "int4-g32-mse"
    })
    String scheme;

    private final float[] weights = new float[WEIGHTS];
    private final float[] importance = new float[COLUMNS];
    private final float[] rounded = new float[WEIGHTS];
    private LinearRounder rounder;

    @Setup
    public void fill() {
        Random random = new Random(1);
        for (int i = 0; i < WEIGHTS; i++) {
            weights[i] = (float) (0.02 * random.nextGaussian());
        }
        for (int i = 0; i < COLUMNS; i++) {
            importance[i] = (float) Math.exp(random.nextGaussian());
        }
        rounder = new LinearRounder((LinearScheme) SchemeName.parse(scheme));
    }

    @Benchmark
    public float[] round() {
        rounder.round(weights, 0, ROWS, COLUMNS, importance, 0, rounded, 0);
        return rounded;
    }
}
