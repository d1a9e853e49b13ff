package io.sparkgguf.job;

import io.sparkgguf.model.WeightSource;
import io.sparkgguf.tensor.Shape;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;

/**
 * Weights that a task goes through again and again in the same order, batch by batch: what was read first stays decoded in
 * memory, as far as that is allowed, and the rest is read again. Whatever is kept, what is read has the same bits.
 */
final class KeptWeights implements WeightSource {
    private final WeightSource source;
    private final Map<Rows, float[]> kept = new HashMap<>();
    private long left;

    private record Rows(String name, long first, int count) {}

    /** @param memory bytes that may be kept */
    KeptWeights(WeightSource source, long memory) {
        this.source = source;
        this.left = memory;
    }

    @Override
    public boolean has(String name) {
        return source.has(name);
    }

    @Override
    public Shape shape(String name) {
        return source.shape(name);
    }

    @Override
    public void rows(String name, long firstRow, int rows, float[] into, int at) throws IOException {
        Rows key = new Rows(name, firstRow, rows);
        float[] known = kept.get(key);
        if (known != null) {
            System.arraycopy(known, 0, into, at, known.length);
            return;
        }
        source.rows(name, firstRow, rows, into, at);
        int count = Math.toIntExact(rows * shape(name).columns());
        long bytes = (long) count * Float.BYTES;
        if (bytes <= left) {
            float[] copy = new float[count];
            System.arraycopy(into, at, copy, 0, count);
            kept.put(key, copy);
            left -= bytes;
        }
    }

    @Override
    public void close() throws IOException {
        kept.clear();
        source.close();
    }
}
