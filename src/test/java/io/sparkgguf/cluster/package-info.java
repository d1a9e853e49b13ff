/**
 * Real components for tests, started by them and ended again: file systems, stores and clusters. Tests that use them
 * live here too and carry the tag {@code cluster}.
 */
package io.sparkgguf.cluster;
