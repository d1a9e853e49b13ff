package io.sparkgguf.storage;

import net.jpountz.xxhash.StreamingXXHash64;
import net.jpountz.xxhash.XXHashFactory;

/**
 * xxHash64, seed 0: tells whether bytes are the ones that were written, not who wrote them. The streaming form gives the
 * same value however the bytes are cut into updates. Not safe for use by several threads.
 *
 * <p>Source: the XXH64 specification by Yann Collet; computed by lz4-java, which Spark brings.
 */
public final class Digest {
    // The Java implementations: the native one unpacks a library into the temporary folder of every executor.
    private static final XXHashFactory FACTORY = XXHashFactory.fastestJavaInstance();
    private static final long SEED = 0;

    private final StreamingXXHash64 hash = FACTORY.newStreamingHash64(SEED);

    /** Takes in {@code from[at .. at + count)}. */
    public Digest update(byte[] from, int at, int count) {
        hash.update(from, at, count);
        return this;
    }

    /** The digest of all bytes since the start or the last reset. */
    public long value() {
        return hash.getValue();
    }

    public void reset() {
        hash.reset();
    }

    /** The digest of {@code from[at .. at + count)}. */
    public static long of(byte[] from, int at, int count) {
        return FACTORY.hash64().hash(from, at, count, SEED);
    }

    /** For people and files: 16 hexadecimal digits, as xxhsum prints them. */
    public static String hex(long digest) {
        return String.format("%016x", digest);
    }
}
