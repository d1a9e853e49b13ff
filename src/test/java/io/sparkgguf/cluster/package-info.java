/**
 * Real clusters and real storage in tests: a standalone Spark master and workers as child processes, started from the jars
 * that Maven resolves, and jobs handed to them by {@code submit/spark-gguf} as a user would. Slow; tagged {@code cluster},
 * so that Maven runs it once the jar is built; what takes minutes is tagged {@code long}, too.
 *
 * <p>Start at {@link io.sparkgguf.cluster.SparkCluster}.
 */
package io.sparkgguf.cluster;
