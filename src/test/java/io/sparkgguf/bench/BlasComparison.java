package io.sparkgguf.bench;

import com.sun.jna.Memory;
import com.sun.jna.NativeLibrary;
import com.sun.jna.ptr.IntByReference;
import io.sparkgguf.kernel.DoubleGemm;
import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.Gram;
import io.sparkgguf.linalg.InverseFactor;
import io.sparkgguf.linalg.MemoryTiles;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.regex.Pattern;

/**
 * Matrix products, Gram matrices and the factor of the inverse beside OpenBLAS, interleaved on one thread: GFLOP/s of thread
 * CPU time, best of several rounds, and the ratio, best and median. OpenBLAS works on native memory, ours on arrays; ours
 * adds Gram matrices up in float64, OpenBLAS in float32.
 *
 * <p>The library comes out of {@code org.bytedeco:openblas}, which the bench profile has. It does not know every processor:
 * {@code OPENBLAS_CORETYPE=SKYLAKEX} in the environment makes it use 512-bit vectors. The argument, if any, is a pattern of
 * the rows to run.
 */
public final class BlasComparison {
    private static final List<String> LIBRARIES =
            List.of("libgcc_s.so.1", "libquadmath.so.0", "libgfortran.so.5", "libopenblas.so.0");
    private static final int ROW_MAJOR = 101;
    private static final int PLAIN = 111;
    private static final int TRANSPOSED = 112;
    private static final int UPPER = 121;
    private static final int ROUNDS = 11;
    private static final long WARM_UP_NANOS = 2_000_000_000L;
    private static final long ROUND_NANOS = 50_000_000L;
    private static final long SEED = 20261126L;
    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final NativeLibrary blas;
    private final Pattern wanted;

    private BlasComparison(NativeLibrary blas, Pattern wanted) {
        this.blas = blas;
        this.wanted = wanted;
    }

    private interface Work {
        void run() throws Exception;
    }

    public static void main(String[] args) throws Exception {
        NativeLibrary blas = load(System.getProperty("openblas.platform", "linux-x86_64"));
        blas.getFunction("openblas_set_num_threads").invokeVoid(new Object[] {1});
        System.out.printf(
                "JDK %s; OpenBLAS for %s; one thread, seed %d%n%n",
                System.getProperty("java.version"),
                blas.getFunction("openblas_get_corename").invokeString(new Object[0], false),
                SEED);
        System.out.println("| what | ours, GFLOP/s | OpenBLAS | ratio of best | median ratio |");
        System.out.println("|---|---|---|---|---|");
        BlasComparison comparison = new BlasComparison(blas, Pattern.compile(args.length == 0 ? ".*" : args[0]));
        for (int n : new int[] {512, 1024, 2048, 4096}) {
            comparison.gemm(n);
            comparison.gram(n);
            comparison.doubleGemm(n);
            comparison.inverseFactor(n);
        }
    }

    private static NativeLibrary load(String platform) throws IOException {
        Path folder = Files.createTempDirectory("openblas");
        for (String library : LIBRARIES) {
            String resource = "/org/bytedeco/openblas/" + platform + "/" + library;
            try (InputStream in = BlasComparison.class.getResourceAsStream(resource)) {
                if (in != null) {
                    Files.copy(in, folder.resolve(library));
                }
            }
        }
        NativeLibrary last = null;
        for (String library : LIBRARIES) {
            Path file = folder.resolve(library);
            if (Files.exists(file)) {
                last = NativeLibrary.getInstance(file.toString());
                file.toFile().deleteOnExit();
            }
        }
        folder.toFile().deleteOnExit();
        if (last == null) {
            throw new IOException("Cannot load OpenBLAS: no library for " + platform + " on the class path");
        }
        return last;
    }

    private void gemm(int n) throws Exception {
        float[] a = floats(n * n);
        float[] b = floats(n * n);
        float[] c = new float[n * n];
        Memory na = copy(a);
        Memory nb = copy(b);
        Memory nc = copy(c);
        double flops = 2.0 * n * n * n;
        for (boolean transposed : new boolean[] {true, false}) {
            Object[] arguments = {
                ROW_MAJOR, PLAIN, transposed ? TRANSPOSED : PLAIN, n, n, n, 1f, na, n, nb, n, 0f, nc, n
            };
            compare(
                    (transposed ? "sgemm A Bᵀ, n = " : "sgemm A B, n = ") + n,
                    flops,
                    () -> {
                        if (transposed) {
                            Gemm.multiplyTransposed(n, n, n, a, 0, n, b, 0, n, false, c, 0, n);
                        } else {
                            Gemm.multiply(n, n, n, a, 0, n, b, 0, n, false, c, 0, n);
                        }
                    },
                    () -> blas.getFunction("cblas_sgemm").invokeVoid(arguments));
        }
    }

    private void gram(int n) throws Exception {
        int tokens = 2048;
        float[] x = floats(tokens * n);
        double[] tile = new double[n * n];
        Memory nx = copy(x);
        Memory nc = new Memory(4L * n * n);
        nc.clear();
        Object[] arguments = {ROW_MAJOR, UPPER, TRANSPOSED, n, tokens, 1f, nx, n, 1f, nc, n};
        compare(
                "ssyrk of " + tokens + " tokens, n = " + n,
                (double) n * (n + 1) * tokens,
                () -> Gram.addUpper(x, 0, tokens, n, 0, n, tile, n),
                () -> blas.getFunction("cblas_ssyrk").invokeVoid(arguments));
    }

    private void doubleGemm(int n) throws Exception {
        double[] a = doubles(n * n);
        double[] b = doubles(n * n);
        double[] c = new double[n * n];
        Memory na = copy(a);
        Memory nb = copy(b);
        Memory nc = copy(c);
        Object[] arguments = {ROW_MAJOR, TRANSPOSED, PLAIN, n, n, n, -1d, na, n, nb, n, 1d, nc, n};
        compare(
                "dgemm C -= Aᵀ B, n = " + n,
                2.0 * n * n * n,
                () -> DoubleGemm.subtractTransposedLeft(n, n, n, a, 0, n, b, 0, n, c, 0, n),
                () -> blas.getFunction("cblas_dgemm").invokeVoid(arguments));
    }

    /** A positive definite matrix; OpenBLAS gets it in its own order of columns, and is not timed while it is copied. */
    private void inverseFactor(int n) throws Exception {
        double[] h = new double[n * n];
        Random random = new Random(SEED);
        for (int i = 0; i < n; i++) {
            for (int j = i; j < n; j++) {
                h[i * n + j] = i == j ? n : random.nextDouble() - 0.5;
                h[j * n + i] = h[i * n + j];
            }
        }
        Memory original = copy(h);
        Memory work = new Memory(8L * n * n);
        IntByReference order = new IntByReference(n);
        IntByReference info = new IntByReference();
        Object[] factor = {"L", order, work, order, info};
        Object[] invert = {"L", "N", order, work, order, info};
        Work theirs = () -> {
            blas.getFunction("dpotrf_").invokeVoid(factor);
            blas.getFunction("dtrtri_").invokeVoid(invert);
        };
        for (int tileSize : new int[] {512, 1024}) {
            if (tileSize <= n) {
                MemoryTiles tiles = MemoryTiles.ofSymmetric(h, n, tileSize);
                MemoryTiles r = new MemoryTiles(n, tileSize);
                compare(
                        "dpotrf + dtrtri, n = " + n + ", tiles of " + tileSize,
                        2.0 / 3 * n * n * n,
                        () -> InverseFactor.compute(tiles, r),
                        theirs,
                        () -> copy(original, work));
            }
        }
    }

    private static void copy(Memory from, Memory to) {
        long step = 1 << 20;
        for (long at = 0; at < from.size(); at += step) {
            byte[] bytes = from.getByteArray(at, (int) Math.min(step, from.size() - at));
            to.write(at, bytes, 0, bytes.length);
        }
    }

    private void compare(String what, double flops, Work ours, Work theirs) throws Exception {
        compare(what, flops, ours, theirs, () -> {});
    }

    private void compare(String what, double flops, Work ours, Work theirs, Work beforeTheirs) throws Exception {
        if (!wanted.matcher(what).find()) {
            return;
        }
        long warm = System.nanoTime();
        while (System.nanoTime() - warm < WARM_UP_NANOS) {
            ours.run();
        }
        double[] mine = new double[ROUNDS];
        double[] other = new double[ROUNDS];
        double[] ratios = new double[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            mine[round] = rate(flops, ours, () -> {});
            other[round] = rate(flops, theirs, beforeTheirs);
            ratios[round] = mine[round] / other[round];
        }
        Arrays.sort(mine);
        Arrays.sort(other);
        Arrays.sort(ratios);
        System.out.printf(
                Locale.ROOT,
                "| %s | %.1f | %.1f | %.2f | %.2f |%n",
                what,
                mine[ROUNDS - 1],
                other[ROUNDS - 1],
                mine[ROUNDS - 1] / other[ROUNDS - 1],
                ratios[ROUNDS / 2]);
    }

    /** GFLOP per second of this thread's CPU time. */
    private static double rate(double flops, Work work, Work before) throws Exception {
        long elapsed = 0;
        long runs = 0;
        do {
            before.run();
            long start = THREADS.getCurrentThreadCpuTime();
            work.run();
            elapsed += THREADS.getCurrentThreadCpuTime() - start;
            runs++;
        } while (elapsed < ROUND_NANOS);
        return runs * flops / elapsed;
    }

    private static float[] floats(int count) {
        Random random = new Random(SEED);
        float[] floats = new float[count];
        for (int i = 0; i < count; i++) {
            floats[i] = random.nextFloat() - 0.5f;
        }
        return floats;
    }

    private static double[] doubles(int count) {
        return new Random(SEED).doubles(count, -0.5, 0.5).toArray();
    }

    private static Memory copy(float[] floats) {
        Memory memory = new Memory(4L * floats.length);
        memory.write(0, floats, 0, floats.length);
        return memory;
    }

    private static Memory copy(double[] doubles) {
        Memory memory = new Memory(8L * doubles.length);
        memory.write(0, doubles, 0, doubles.length);
        return memory;
    }
}
