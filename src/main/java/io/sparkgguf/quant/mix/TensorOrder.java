package io.sparkgguf.quant.mix;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.OptionalInt;

/**
 * The order of tensors in a written file: those outside the layers first, then layer by layer; within each by the bytes
 * of the name. The counters of the mixes run in this order too.
 */
public final class TensorOrder {
    /** Compares tensor names. */
    public static final Comparator<String> BY_LAYER_THEN_NAME = (a, b) -> {
        int byLayer = Integer.compare(layer(a).orElse(-1), layer(b).orElse(-1));
        return byLayer != 0
                ? byLayer
                : Arrays.compareUnsigned(a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));
    };

    private static final String PREFIX = "blk.";

    private TensorOrder() {}

    /** The number N of a name that starts with {@code blk.N}; numbers beyond an int count as the largest. */
    public static OptionalInt layer(String name) {
        if (!name.startsWith(PREFIX)) {
            return OptionalInt.empty();
        }
        long number = 0;
        int at = PREFIX.length();
        while (at < name.length() && name.charAt(at) >= '0' && name.charAt(at) <= '9') {
            number = Math.min(Integer.MAX_VALUE, 10 * number + (name.charAt(at) - '0'));
            at++;
        }
        return at == PREFIX.length() ? OptionalInt.empty() : OptionalInt.of((int) number);
    }
}
