package io.sparkgguf.bench;

import io.sparkgguf.kernel.Exponential;
import io.sparkgguf.kernel.Pointwise;
import io.sparkgguf.kernel.RmsNorm;
import io.sparkgguf.kernel.Rotation;
import io.sparkgguf.kernel.StreamingSoftmax;
import java.util.Arrays;
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

/** What a forward pass does besides products: elements per microsecond. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(ForwardKernelBenchmark.ELEMENTS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class ForwardKernelBenchmark {
    static final int ROWS = 128;
    static final int COLUMNS = 128;
    static final int ELEMENTS = ROWS * COLUMNS;

    private final float[] x = new float[ELEMENTS];
    private final float[] y = new float[ELEMENTS];
    private final float[] work = new float[ELEMENTS];
    private final float[] weight = new float[COLUMNS];
    private final float[] largest = new float[COLUMNS];
    private final float[] sums = new float[COLUMNS];
    private final float[] rescale = new float[COLUMNS];

    @Setup
    public void fill() {
        Random random = new Random(1);
        for (int i = 0; i < ELEMENTS; i++) {
            x[i] = (float) random.nextGaussian();
            y[i] = (float) random.nextGaussian();
        }
        Arrays.fill(weight, 1);
    }

    /** The kernels work in place: part of what is measured. */
    private void restore() {
        System.arraycopy(x, 0, work, 0, ELEMENTS);
    }

    @Benchmark
    public float[] exponential() {
        restore();
        Exponential.ofDifference(x, 0, y, 0, ELEMENTS, work, 0);
        return work;
    }

    @Benchmark
    public float[] gate() {
        restore();
        Pointwise.gate(work, 0, y, 0, ELEMENTS);
        return work;
    }

    @Benchmark
    public float[] rmsNorm() {
        RmsNorm.of(x, 0, ROWS, COLUMNS, weight, 1e-5f, work, 0);
        return work;
    }

    @Benchmark
    public float[] rotateHalves() {
        restore();
        Rotation.halves(work, 0, ROWS, COLUMNS, y, x, 0);
        return work;
    }

    @Benchmark
    public float[] rotateNeighbours() {
        restore();
        Rotation.neighbours(work, 0, ROWS, COLUMNS, y, x, 0);
        return work;
    }

    @Benchmark
    public float[] softmax() {
        restore();
        Arrays.fill(largest, Float.NEGATIVE_INFINITY);
        Arrays.fill(sums, 0);
        StreamingSoftmax.add(work, ROWS, COLUMNS, largest, sums, rescale);
        return work;
    }
}
