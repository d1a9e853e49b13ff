package io.sparkgguf.job;

import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormat;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.tensor.BlockType;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.Random;
import java.util.Set;

/**
 * Runs the kernels that a plan needs on made-up weights while Spark starts, so that HotSpot has compiled them, or is about
 * to, when the first unit comes. Vector code is a hundred times slower before. Of use only where tasks run in this process.
 */
final class KernelWarmUp implements AutoCloseable {
    private static final int ROWS = 16;
    private static final int COLUMNS = 256; // whole blocks of every type

    private final Set<Kernel> kernels = new LinkedHashSet<>();
    private final Thread thread = new Thread(this::run, "kernel warm-up");
    private volatile boolean enough;

    /** An encoder, and whether it is given an importance. */
    private record Kernel(BlockType type, boolean weighted) {}

    private KernelWarmUp(Plan plan) {
        for (WorkUnit unit : plan.units()) {
            if (BlockFormats.of(unit.target()).encodes()) {
                kernels.add(new Kernel(unit.target(), unit.importance() != null));
            }
        }
        thread.setDaemon(true);
    }

    /** Starts; {@link #close} ends it. */
    static KernelWarmUp start(Plan plan) {
        KernelWarmUp warmUp = new KernelWarmUp(plan);
        warmUp.thread.start();
        return warmUp;
    }

    private void run() {
        float[] weights = new float[ROWS * COLUMNS];
        Random random = new Random(1);
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) random.nextGaussian() / 32;
        }
        float[] importance = new float[COLUMNS];
        Arrays.fill(importance, 1f);
        float[] decoded = new float[weights.length];
        byte[] blocks = new byte[Float.BYTES * weights.length];
        ErrorStats error = new ErrorStats();
        while (!enough && !kernels.isEmpty()) {
            for (Kernel kernel : kernels) {
                BlockFormat format = BlockFormats.of(kernel.type);
                format.encode(weights, 0, ROWS, COLUMNS, kernel.weighted ? importance : null, 0, blocks, 0);
                format.decode(blocks, 0, weights.length, decoded, 0);
                error.add(weights, 0, decoded, 0, ROWS, COLUMNS);
            }
        }
    }

    @Override
    public void close() {
        enough = true;
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
