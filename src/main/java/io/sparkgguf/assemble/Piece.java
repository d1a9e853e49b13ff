package io.sparkgguf.assemble;

import java.io.Serializable;

/**
 * Bytes of a part that become bytes of the output.
 *
 * @param file the part
 * @param fileOffset first byte in the part
 * @param offset first byte in the output
 * @param length bytes
 */
public record Piece(String file, long fileOffset, long offset, long length) implements Serializable {}
