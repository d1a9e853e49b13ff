/**
 * Files by name: positional reads, whole-file writes, renames; local disk here, every Hadoop file system in
 * {@code storage.hadoop} behind the same interface.
 *
 * <p>Knows bytes, not formats. Start at {@link io.sparkgguf.storage.Storage}.
 */
package io.sparkgguf.storage;
