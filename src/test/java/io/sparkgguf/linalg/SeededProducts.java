package io.sparkgguf.linalg;

import io.sparkgguf.kernel.DoubleGemm;
import io.sparkgguf.kernel.Gemm;
import io.sparkgguf.kernel.Gram;
import io.sparkgguf.kernel.Lanes;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** Digests of products, Gram matrices and factors of seeded matrices, for comparing one JVM with another. */
public final class SeededProducts {
    private static final long SEED = 20261124;

    /** The first calls run interpreted, the last ones compiled. Few where fused operations may be emulated. */
    private static final int PASSES = Lanes.WIDTH > 4 ? 60 : 2;

    private SeededProducts() {}

    /** SHA-256 by kind of operation; all passes must agree. */
    public static Map<String, String> compute() {
        Map<String, String> first = pass();
        for (int pass = 1; pass < PASSES; pass++) {
            Map<String, String> again = pass();
            if (!again.equals(first)) {
                throw new IllegalStateException(
                        "pass " + pass + ", seed " + SEED + ": " + again + ", in the first one " + first);
            }
        }
        return first;
    }

    private static Map<String, String> pass() {
        Map<String, String> digests = new TreeMap<>();
        Random random = new Random(SEED);
        digests.put("gemm", gemm(random));
        digests.put("double-gemm", doubleGemm(random));
        digests.put("gram", gram(random));
        digests.put("factor", factor(random));
        return digests;
    }

    private static String gemm(Random random) {
        int m = 27;
        int n = 41;
        int k = 29;
        float[] a = floats(random, m * k);
        float[] b = floats(random, n * k);
        float[] c = floats(random, m * n);
        Gemm.multiplyTransposed(m, n, k, a, 0, k, b, 0, k, true, c, 0, n);
        Gemm.subtract(m, n, k, a, 0, k, b, 0, n, c, 0, n);
        Gemm.subtractTransposedLeft(m, n, k, a, 0, m, b, 0, n, c, 0, n);
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * c.length);
        bytes.asFloatBuffer().put(c);
        return digest(bytes);
    }

    private static String doubleGemm(Random random) {
        int m = 26;
        int n = 35;
        int k = 19;
        double[] a = doubles(random, m * k);
        double[] b = doubles(random, n * k);
        double[] c = doubles(random, m * n);
        DoubleGemm.multiplyTransposed(m, n, k, a, 0, k, b, 0, k, true, c, 0, n);
        DoubleGemm.subtract(m, n, k, a, 0, k, b, 0, n, c, 0, n);
        DoubleGemm.subtractTransposedLeft(m, n, k, a, 0, m, b, 0, n, c, 0, n);
        return digest(c);
    }

    private static String gram(Random random) {
        int tokens = 30;
        int columns = 50;
        float[] x = floats(random, tokens * columns);
        double[] tile = new double[columns * columns];
        Gram.add(x, 0, tokens, columns, 0, columns, 0, columns, tile, columns);
        Gram.add(x, 0, tokens, columns, 3, 20, 14, 33, tile, columns);
        return digest(tile);
    }

    private static String factor(Random random) {
        int order = 70;
        MemoryTiles tiles = new MemoryTiles(order, 40);
        double[] tile = new double[40 * 40];
        for (int i = 0; i < 2; i++) {
            for (int j = i; j < 2; j++) {
                for (int row = 0; row < 40; row++) {
                    for (int column = 0; column < 40; column++) {
                        boolean diagonal = i == j && row == column;
                        boolean inside = 40 * i + row < order && 40 * j + column < order;
                        tile[row * 40 + column] = inside ? (diagonal ? order : 0) + random.nextDouble() : 0;
                    }
                }
                tiles.write(i, j, tile);
            }
        }
        try {
            InverseFactor.compute(tiles, tiles);
        } catch (IOException | NotPositiveDefiniteException e) {
            throw new IllegalStateException(e);
        }
        double[] r = new double[order * order];
        for (int i = 0; i < order; i++) {
            for (int j = i; j < order; j++) {
                r[i * order + j] = tiles.get(i, j);
            }
        }
        return digest(r);
    }

    private static float[] floats(Random random, int count) {
        float[] floats = new float[count];
        for (int i = 0; i < count; i++) {
            floats[i] = (float) random.nextGaussian();
        }
        return floats;
    }

    private static double[] doubles(Random random, int count) {
        double[] doubles = new double[count];
        for (int i = 0; i < count; i++) {
            doubles[i] = random.nextGaussian();
        }
        return doubles;
    }

    private static String digest(double[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(Double.BYTES * values.length);
        bytes.asDoubleBuffer().put(values);
        return digest(bytes);
    }

    private static String digest(ByteBuffer bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
