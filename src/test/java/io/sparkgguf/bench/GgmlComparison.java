package io.sparkgguf.bench;

import com.sun.jna.Function;
import com.sun.jna.Memory;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.tensor.BlockType;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Locale;
import java.util.Random;
import java.util.regex.Pattern;

/**
 * Every encoder beside ggml's own {@code ggml_quantize_chunk}, interleaved on one thread: Mweights per second of thread
 * CPU time, best of several rounds, their ratio, and whether all bytes are equal on some kinds of random weights.
 *
 * <p>{@code -Dggml.library=} names a {@code libggml-base} shared library; the argument, if any, is a pattern of the types
 * to run. Exit code 1 when any byte differs.
 */
public final class GgmlComparison {
    private static final int ROWS = 64;
    private static final int COLUMNS = 4096;
    private static final int WEIGHTS = ROWS * COLUMNS;
    private static final int ROUNDS = 15;
    private static final long WARM_UP_NANOS = 1_500_000_000L;
    private static final long ROUND_NANOS = 20_000_000L;
    private static final long SEED = 20261123L;

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final Function quantize;
    private final Memory source = new Memory(4L * WEIGHTS);
    private final Memory importanceSource = new Memory(4L * COLUMNS);
    private final Memory target = new Memory(4L * WEIGHTS);

    private GgmlComparison(String library) {
        quantize = NativeLibrary.getInstance(library).getFunction("ggml_quantize_chunk");
    }

    public static void main(String[] args) {
        String library = System.getProperty("ggml.library", "");
        if (library.isBlank()) {
            System.err.println("Cannot compare with ggml: -Dggml.library=<path of libggml-base.so> is not set");
            System.exit(2);
        }
        Pattern types = Pattern.compile(args.length == 0 ? ".*" : args[0]);
        GgmlComparison comparison = new GgmlComparison(library);
        System.out.printf(
                "JDK %s, %s; one thread, %d rows of %d weights, seed %d%n%n",
                System.getProperty("java.version"), System.getProperty("os.arch"), ROWS, COLUMNS, SEED);
        System.out.println("| type | importance | ours, Mweights/s | ggml, Mweights/s | ratio | bytes |");
        System.out.println("|---|---|---|---|---|---|");
        boolean equal = true;
        for (BlockType type : BlockType.values()) {
            if (BlockFormats.of(type).encodes() && types.matcher(type.name()).matches()) {
                equal &= comparison.compare(type);
            }
        }
        System.exit(equal ? 0 : 1);
    }

    private boolean compare(BlockType type) {
        boolean equal = compare(type, null);
        if (BlockFormats.of(type).usesImportance()) {
            equal &= compare(type, importance(new Random(SEED)));
        }
        return equal;
    }

    private boolean compare(BlockType type, float[] importance) {
        BlockFormat format = BlockFormats.of(type);
        byte[] blocks = new byte[Math.toIntExact(type.bytes(WEIGHTS))];
        if (importance != null) {
            importanceSource.write(0, importance, 0, COLUMNS);
        }
        Pointer importancePointer = importance == null ? null : importanceSource;
        float[] weights = new float[WEIGHTS];
        long different = 0;
        Kind[] kinds = Kind.values();
        for (int k = kinds.length - 1; k >= 0; k--) { // the first one stays, to be timed
            kinds[k].fill(weights, new Random(SEED + k));
            source.write(0, weights, 0, WEIGHTS);
            format.encode(weights, 0, ROWS, COLUMNS, importance, 0, blocks, 0);
            theirs(type, importancePointer);
            byte[] expected = target.getByteArray(0, blocks.length);
            for (int i = 0; i < blocks.length; i++) {
                different += blocks[i] == expected[i] ? 0 : 1;
            }
        }

        Runnable ours = () -> format.encode(weights, 0, ROWS, COLUMNS, importance, 0, blocks, 0);
        Runnable theirs = () -> theirs(type, importancePointer);
        long warm = System.nanoTime();
        while (System.nanoTime() - warm < WARM_UP_NANOS) {
            ours.run();
        }
        double bestOurs = 0;
        double bestTheirs = 0;
        for (int round = 0; round < ROUNDS; round++) {
            bestOurs = Math.max(bestOurs, rate(ours));
            bestTheirs = Math.max(bestTheirs, rate(theirs));
        }
        System.out.printf(
                Locale.ROOT,
                "| %s | %s | %.1f | %.1f | %.2f | %s |%n",
                type,
                importance == null ? "no" : "yes",
                bestOurs,
                bestTheirs,
                bestOurs / bestTheirs,
                different == 0 ? "equal" : different + " differ");
        return different == 0;
    }

    private void theirs(BlockType type, Pointer importance) {
        quantize.invokeLong(new Object[] {type.id(), source, target, 0L, (long) ROWS, (long) COLUMNS, importance});
    }

    /** Mweights per second of this thread's CPU time. */
    private static double rate(Runnable work) {
        long start = THREADS.getCurrentThreadCpuTime();
        long runs = 0;
        long elapsed;
        do {
            work.run();
            runs++;
            elapsed = THREADS.getCurrentThreadCpuTime() - start;
        } while (elapsed < ROUND_NANOS);
        return 1e3 * runs * WEIGHTS / elapsed;
    }

    private static float[] importance(Random random) {
        float[] importance = new float[COLUMNS];
        for (int i = 0; i < COLUMNS; i++) {
            double z = random.nextGaussian();
            importance[i] = i % 97 == 0 ? 0f : (float) (z * z);
        }
        return importance;
    }

    private enum Kind {
        NORMAL {
            @Override
            float next(Random random, int i) {
                return (float) (0.02 * random.nextGaussian());
            }
        },
        OUTLIERS {
            @Override
            float next(Random random, int i) {
                return (float) ((random.nextInt(200) == 0 ? 1 : 0.02) * random.nextGaussian());
            }
        },
        COARSE { // many ties
            @Override
            float next(Random random, int i) {
                return (random.nextInt(33) - 16) / 64f;
            }
        },
        SPARSE {
            @Override
            float next(Random random, int i) {
                boolean zero = i / 256 % 3 == 0 || random.nextInt(4) == 0;
                return zero ? random.nextBoolean() ? 0f : -0f : (float) (random.nextGaussian() * 1e-6);
            }
        };

        abstract float next(Random random, int i);

        void fill(float[] weights, Random random) {
            for (int i = 0; i < weights.length; i++) {
                weights[i] = next(random, i);
            }
        }
    }
}
