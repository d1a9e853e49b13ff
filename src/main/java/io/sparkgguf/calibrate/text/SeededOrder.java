package io.sparkgguf.calibrate.text;

/**
 * Orders that follow from a seed alone, the same with every JDK: the shuffle of Fisher and Yates, from the last place
 * down, with numbers of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014)
 * brought into range by the high half of a 64 by 64 bit product. That half is uneven by less than one in 2^33 for the
 * 2^31 things there can be.
 */
final class SeededOrder {
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private long state;

    private SeededOrder(long seed) {
        state = seed;
    }

    /** The numbers 0 to {@code count - 1}, shuffled. */
    static int[] of(int count, long seed) {
        SeededOrder random = new SeededOrder(seed);
        int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            order[i] = i;
        }
        for (int i = count - 1; i > 0; i--) {
            int other = random.below(i + 1);
            int swapped = order[i];
            order[i] = order[other];
            order[other] = swapped;
        }
        return order;
    }

    private int below(int bound) {
        // the unsigned high half; bound is positive, so only the random factor's sign needs amends
        long random = next();
        return (int) (Math.multiplyHigh(random, bound) + (random < 0 ? bound : 0));
    }

    private long next() {
        state += GOLDEN;
        long z = state;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
