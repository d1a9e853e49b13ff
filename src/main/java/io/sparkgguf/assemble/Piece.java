package io.sparkgguf.assemble;

import java.io.Serializable;

/**
 * The bytes of a part that lie in one range of the output.
 *
 * @param part the whole part
 * @param offset first byte in the output
 * @param length bytes
 */
public record Piece(Part part, long offset, long length) implements Serializable {

    /** One past the last byte in the output. */
    public long end() {
        return offset + length;
    }
}
