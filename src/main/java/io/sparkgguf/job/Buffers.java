package io.sparkgguf.job;

import java.lang.ref.SoftReference;

/**
 * Arrays that outlive a unit for the next one of the same thread: making them anew each time costs the collector, and the
 * first touch of their pages, more than reading into them. What is in them is left over from before.
 */
final class Buffers {
    private static final ThreadLocal<SoftReference<Buffers>> KEPT = new ThreadLocal<>();

    private byte[] read = new byte[0];
    private byte[] readAhead = new byte[0];
    private byte[] encoded = new byte[0];
    private float[] stored = new float[0];
    private float[] ordered = new float[0];
    private float[] decoded = new float[0];

    /** Those of this thread, which nobody else gets before they are given back. */
    static Buffers take() {
        SoftReference<Buffers> kept = KEPT.get();
        KEPT.remove();
        Buffers buffers = kept == null ? null : kept.get();
        return buffers == null ? new Buffers() : buffers;
    }

    void giveBack() {
        KEPT.set(new SoftReference<>(this));
    }

    /** For bytes of the source; this and the others have at least so many elements. */
    byte[] read(int count) {
        return read = read.length < count ? new byte[count] : read;
    }

    /** For the bytes that come after these. */
    byte[] readAhead(int count) {
        return readAhead = readAhead.length < count ? new byte[count] : readAhead;
    }

    /** For blocks. */
    byte[] encoded(int count) {
        return encoded = encoded.length < count ? new byte[count] : encoded;
    }

    /** For weights in the order of the source. */
    float[] stored(int count) {
        return stored = stored.length < count ? new float[count] : stored;
    }

    /** For weights in the order of the output. */
    float[] ordered(int count) {
        return ordered = ordered.length < count ? new float[count] : ordered;
    }

    /** For weights that were encoded and decoded again. */
    float[] decoded(int count) {
        return decoded = decoded.length < count ? new float[count] : decoded;
    }
}
