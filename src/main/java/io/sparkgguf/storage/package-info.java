/**
 * Files by name: positional reads and writes, whole-file writes, renames, digests; local disk here, every Hadoop file
 * system in {@code storage.hadoop} behind the same interface.
 *
 * <p>Knows bytes, not formats. Start at {@link io.sparkgguf.storage.Storage}; a header's fields are read by
 * {@link io.sparkgguf.storage.SequentialReader}.
 */
package io.sparkgguf.storage;
