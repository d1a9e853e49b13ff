package io.sparkgguf.quant.linear;

import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.util.Arrays;

/**
 * How often numbers of each size occur, for percentiles of more numbers than fit into memory: counted by their value
 * rounded away from zero to bfloat16, so ends of ranges are exact order statistics, rounded outwards by less than 1/128 but
 * never beyond the outermost number.
 *
 * <p>Of n numbers, {@code k = ceil(percent / 100 * n)} shall lie within. A symmetric range ends at the k-th smallest
 * magnitude; an asymmetric one leaves out {@code floor((n - k) / 2)} numbers on each side.
 */
public final class ValueCounts implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Values of a magnitude rounded up to bfloat16; the last is what exceeds the finite ones. */
    private static final int KEYS = 0x7f81;

    private transient long[] negative = new long[KEYS];
    private transient long[] positive = new long[KEYS];
    private ValueRange whole = ValueRange.NONE;
    private long count;

    /** The magnitude's bits, rounded up. */
    private static int key(float x) {
        return (Float.floatToRawIntBits(Math.abs(x)) + 0xffff) >>> 16;
    }

    private static float value(int key) {
        return Float.intBitsToFloat(key << 16);
    }

    /** Counts finite numbers. */
    public void add(float[] x, int at, int length) {
        for (int i = at; i < at + length; i++) {
            (x[i] < 0 ? negative : positive)[key(x[i])]++;
        }
        whole = whole.union(ValueRange.of(x, at, length));
        count += length;
    }

    /** Counts what another has counted. */
    public void merge(ValueCounts other) {
        for (int key = 0; key < KEYS; key++) {
            negative[key] += other.negative[key];
            positive[key] += other.positive[key];
        }
        whole = whole.union(other.whole);
        count += other.count;
    }

    /** Weights have a few thousand sizes: only those travel. */
    private void writeObject(ObjectOutputStream out) throws IOException {
        out.defaultWriteObject();
        for (long[] counts : new long[][] {negative, positive}) {
            for (int key = 0; key < KEYS; key++) {
                if (counts[key] > 0) {
                    out.writeInt(key);
                    out.writeLong(counts[key]);
                }
            }
            out.writeInt(-1);
        }
    }

    private void readObject(ObjectInputStream in) throws IOException, ClassNotFoundException {
        in.defaultReadObject();
        negative = new long[KEYS];
        positive = new long[KEYS];
        for (long[] counts : new long[][] {negative, positive}) {
            for (int key = in.readInt(); key >= 0; key = in.readInt()) {
                counts[key] = in.readLong();
            }
        }
    }

    /** The range that holds so many percent of what was counted. */
    public ValueRange range(boolean symmetric, double percent) {
        if (count == 0) {
            return ValueRange.NONE;
        }
        long cut = count - kept(count, percent);
        if (!symmetric) {
            return whole.within(fromBelow(cut / 2), fromAbove(cut / 2));
        }
        long left = cut;
        for (int key = KEYS - 1; ; key--) {
            left -= negative[key] + positive[key];
            if (left < 0) {
                return whole.within(-value(key), value(key));
            }
        }
    }

    /** The number after the {@code skip} smallest. */
    private float fromBelow(long skip) {
        long left = skip;
        for (int key = KEYS - 1; key >= 0; key--) {
            left -= negative[key];
            if (left < 0) {
                return -value(key);
            }
        }
        return 0f; // zero or above, and the range holds zero
    }

    /** The number before the {@code skip} largest. */
    private float fromAbove(long skip) {
        long left = skip;
        for (int key = KEYS - 1; key >= 0; key--) {
            left -= positive[key];
            if (left < 0) {
                return value(key);
            }
        }
        return 0f;
    }

    private static long kept(long count, double percent) {
        return Math.min(count, (long) Math.ceil(percent * count / 100));
    }

    /** The same for few numbers at once. */
    static ValueRange range(float[] x, int at, int length, boolean symmetric, double percent) {
        float[] sorted = Arrays.copyOfRange(x, at, at + length);
        ValueRange whole = ValueRange.of(sorted, 0, length);
        int kept = (int) kept(length, percent);
        if (symmetric) {
            for (int i = 0; i < length; i++) {
                sorted[i] = Math.abs(sorted[i]);
            }
            Arrays.sort(sorted);
            float limit = value(key(sorted[kept - 1]));
            return whole.within(-limit, limit);
        }
        Arrays.sort(sorted);
        int skip = (length - kept) / 2;
        float lowest = sorted[skip];
        float highest = sorted[length - 1 - skip];
        return whole.within(lowest < 0 ? -value(key(lowest)) : 0f, highest > 0 ? value(key(highest)) : 0f);
    }
}
