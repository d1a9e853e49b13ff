package io.sparkgguf.plan;

import java.io.Serializable;

/**
 * Consecutive bytes of a source file.
 *
 * @param file path or URI
 * @param offset first byte
 * @param length bytes
 */
public record SourceRange(String file, long offset, long length) implements Serializable {}
