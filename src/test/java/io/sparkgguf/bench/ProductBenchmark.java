package io.sparkgguf.bench;

import io.sparkgguf.kernel.DoubleGemm;
import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.Gram;
import io.sparkgguf.linalg.InverseFactor;
import io.sparkgguf.linalg.MemoryTiles;
import io.sparkgguf.linalg.NotPositiveDefiniteException;
import java.io.IOException;
import java.util.Random;
import java.util.concurrent.TimeUnit;
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

/** Products of square matrices, a Gram matrix and the factor of an inverse, beside plain loops: milliseconds a call. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(1)
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 5, time = 1)
public class ProductBenchmark {
    @Param({"512", "1024"})
    public int n;

    private float[] a;
    private float[] b;
    private float[] c;
    private double[] da;
    private double[] db;
    private double[] dc;
    private double[] tile;
    private MemoryTiles h;
    private MemoryTiles r;

    @Setup
    public void fill() {
        Random random = new Random(1);
        a = new float[n * n];
        b = new float[n * n];
        c = new float[n * n];
        for (int i = 0; i < n * n; i++) {
            a[i] = random.nextFloat() - 0.5f;
            b[i] = random.nextFloat() - 0.5f;
        }
        da = random.doubles((long) n * n, -0.5, 0.5).toArray();
        db = random.doubles((long) n * n, -0.5, 0.5).toArray();
        dc = new double[n * n];
        tile = new double[n * n];
        double[] matrix = da.clone();
        for (int i = 0; i < n; i++) {
            matrix[i * n + i] = n;
        }
        h = MemoryTiles.ofSymmetric(matrix, n, 512);
        r = new MemoryTiles(n, 512);
    }

    @Benchmark
    public float[] multiplyTransposed() {
        Gemm.multiplyTransposed(n, n, n, a, 0, n, b, 0, n, false, c, 0, n);
        return c;
    }

    @Benchmark
    public float[] multiplyTransposedLeft() {
        Gemm.multiplyTransposedLeft(n, n, n, a, 0, n, b, 0, n, false, c, 0, n);
        return c;
    }

    /** The loops that define {@link #multiplyTransposed}, with the accumulator in a register. */
    @Benchmark
    public float[] multiplyTransposedScalar() {
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
                float sum = 0;
                for (int p = 0; p < n; p++) {
                    sum = Math.fma(a[i * n + p], b[j * n + p], sum);
                }
                c[i * n + j] = sum;
            }
        }
        return c;
    }

    @Benchmark
    public double[] doubleSubtractTransposedLeft() {
        DoubleGemm.subtractTransposedLeft(n, n, n, da, 0, n, db, 0, n, dc, 0, n);
        return dc;
    }

    @Benchmark
    public double[] gram() {
        Gram.add(a, 0, n, n, 0, n, 0, n, tile, n);
        return tile;
    }

    @Benchmark
    public MemoryTiles inverseFactor() throws IOException, NotPositiveDefiniteException {
        InverseFactor.compute(h, r);
        return r;
    }
}
