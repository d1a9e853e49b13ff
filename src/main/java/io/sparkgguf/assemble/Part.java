package io.sparkgguf.assemble;

import java.io.Serializable;

/**
 * A file whose bytes become bytes of an output, all of them.
 *
 * @param id by which it is told of when it is missing or wrong
 * @param file its name
 * @param offset of its first byte in the output
 * @param length bytes that it must have
 * @param digest xxHash64 that they must have
 */
public record Part(int id, String file, long offset, long length, long digest) implements Serializable {

    /** One past its last byte in the output. */
    public long end() {
        return offset + length;
    }
}
